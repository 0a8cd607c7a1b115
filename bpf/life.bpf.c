/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lives of objects: when programs, maps, links and BTF go, and who dropped them.
 *
 * Programs and links are let go by the task that drops the last reference, or by a worker of the
 * kernel for it. Maps and BTF always go later, in nobody's name: who dropped the last reference is
 * remembered until then, in `droppers`. */

#include "acts.h"
#include "caller.h"
#include "object.h"
#include "kernel-life.h"
#include "map-ids.h"
#include "own.h"

enum {
        DROPPERS_MAX = 2048,

        PERF_BPF_EVENT_PROG_UNLOAD = 2, /* include/uapi/linux/perf_event.h */
};

/* Who dropped the last reference of a map or BTF that is still to go. */
struct dropper {
        struct record_task task;
        u32 known; /* 0: it was not the task */
        u32 id;    /* of the object: newer kernels take it away at once */
};

/* Key: pointer to the object. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, DROPPERS_MAX);
        __type(key, u64);
        __type(value, struct dropper);
} droppers __weak SEC(".maps");

/* Who did it ----------------------------------------------------------------------------------- */

/* The thread that was told of last, when its process started, and which of its programs it ran: one
 * that drops a thousand objects is told of once. */
__u64 told_thread __weak;
__u64 told_start __weak;
__u64 told_program __weak;

struct task_struct___program {
        u64 self_exec_id;
} __attribute__((preserve_access_index));

/* Lets the daemon know a task that the records name without its context. */
static __always_inline void tell_task(const struct record_task *task) {
        struct task_struct___program *current = (void *) bpf_get_current_task();
        u64 thread = bpf_get_current_pid_tgid();
        u64 program = BPF_CORE_READ(current, self_exec_id);
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);

        if ((c && c->told) ||
            (told_thread == thread && told_start == task->start_time && told_program == program))
                return;
        if (!tell_context(0))
                return;
        told_thread = thread;
        told_start = task->start_time;
        told_program = program;
}

/* A reference of `object` is about to be dropped. Who else takes or drops one meanwhile passes here
 * too, and then it is not remembered, or is the one who is. `keep_id`: there is no other way to
 * tell which it was. */
static __always_inline void drop(struct pt_regs *ctx, void *object, u32 id, s64 references,
                                 const bool keep_id) {
        struct dropper d = {.id = id, .known = references == 1 && task_acts(ctx)};
        u64 key = (u64) object;

        if (d.known) {
                fill_task(&d.task);
        } else if (!keep_id) {
                bpf_map_delete_elem(&droppers, &key);
                return;
        }
        if (bpf_map_update_elem(&droppers, &key, &d, BPF_ANY))
                lost_action(); /* or who does it */
        else if (d.known)
                tell_task(&d.task);
}

/* The end ------------------------------------------------------------------------------------- */

/* `task`: who did it, or NULL. */
static __always_inline void send_free(const struct record_object *object,
                                      const struct record_task *task, enum hook hook) {
        struct record_free *r;

        if (is_own(object->kind, object->id))
                return;
        r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                lost_action();
                return;
        }
        fill_header(&r->header, RECORD_FREE, sizeof(*r));
        if (task)
                __builtin_memcpy(&r->task, task, sizeof(r->task));
        else
                __builtin_memset(&r->task, 0, sizeof(r->task));
        r->flags = task ? CALL_ATTRIBUTED : 0;
        r->source = hook;
        __builtin_memcpy(&r->object, object, sizeof(r->object));
        submit(&r->header);
}

/* An object that goes in the name of whoever is running. */
static __always_inline void free_now(struct pt_regs *ctx, const struct record_object *object,
                                     enum hook hook) {
        struct record_task task;

        if (!task_acts(ctx)) {
                send_free(object, NULL, hook);
                return;
        }
        fill_task(&task);
        tell_task(&task);
        send_free(object, &task, hook);
}

/* An object that goes some time after its last reference was dropped. */
static __always_inline void free_later(const void *pointer, struct record_object *object,
                                       enum hook hook) {
        u64 key = (u64) pointer;
        struct dropper *d = bpf_map_lookup_elem(&droppers, &key);

        if (d && !object->id)
                object->id = d->id;
        if (object->id) {
                hit(hook);
                send_free(object, d && d->known ? &d->task : NULL, hook);
        }
        bpf_map_delete_elem(&droppers, &key);
}

static __always_inline void free_prog(struct pt_regs *ctx, struct bpf_prog *prog, enum hook hook) {
        struct record_object object = {};

        fill_prog(&object, prog);
        if (!object.id)
                return; /* converted from a classic filter */
        hit(hook);
        free_now(ctx, &object, hook);
}

SEC("kprobe/perf_event_bpf_event")
int BPF_KPROBE(prog_event, struct bpf_prog *prog, u32 type) {
        if (type == PERF_BPF_EVENT_PROG_UNLOAD)
                free_prog(ctx, prog, HOOK_PERF_EVENT_BPF_EVENT);
        return 0;
}

/* Linux 5.10 refuses to hook the above, and later ones never come here. */
SEC("kprobe/bpf_prog_free_id")
int BPF_KPROBE(prog_free_id, struct bpf_prog *prog) {
        free_prog(ctx, prog, HOOK_BPF_PROG_FREE_ID);
        return 0;
}

SEC("kprobe/bpf_link_free")
int BPF_KPROBE(link_free, struct bpf_link *link) {
        struct record_object object = {};

        fill_link(&object, link);
        if (!object.id)
                return 0; /* it was never finished */
        hit(HOOK_BPF_LINK_FREE);
        free_now(ctx, &object, HOOK_BPF_LINK_FREE);
        return 0;
}

/* Maps ----------------------------------------------------------------------------------------- */

static __always_inline void drop_map(struct pt_regs *ctx, struct bpf_map *map, enum hook hook) {
        struct bpf_map___counted *counted = (void *) map;

        hit(hook);
        drop(ctx, map, BPF_CORE_READ(map, id), BPF_CORE_READ(counted, refcnt.counter), false);
}

/* All roads by which a reference is dropped: an fd is closed, by other code of the kernel, and by
 * file systems. Which of them passes which other one depends on the compiler. */
SEC("kprobe/bpf_map_release")
int BPF_KPROBE(map_release, void *inode, struct file *file) {
        drop_map(ctx, BPF_CORE_READ(file, private_data), HOOK_BPF_MAP_RELEASE);
        return 0;
}

SEC("kprobe/bpf_map_put")
int BPF_KPROBE(map_put, struct bpf_map *map) {
        drop_map(ctx, map, HOOK_BPF_MAP_PUT);
        return 0;
}

SEC("kprobe/bpf_map_put_with_uref")
int BPF_KPROBE(map_put_with_uref, struct bpf_map *map) {
        drop_map(ctx, map, HOOK_BPF_MAP_PUT_WITH_UREF);
        return 0;
}

SEC("kprobe/security_bpf_map_free")
int BPF_KPROBE(map_free, struct bpf_map *map) {
        struct record_object object = {};
        u64 key = (u64) map;
        u32 *id = bpf_map_lookup_elem(&map_ids, &key);

        fill_map(&object, map);
        object.id = id ? *id : 0;
        bpf_map_delete_elem(&map_ids, &key);
        free_later(map, &object, HOOK_SECURITY_BPF_MAP_FREE);
        return 0;
}

/* Run once by the daemon: remembers the maps that there are already. */
SEC("iter/bpf_map")
int seed_maps(struct bpf_iter__bpf_map *ctx) {
        struct bpf_map *map = ctx->map;
        u64 key;
        u32 id;

        if (!map)
                return 0;
        key = (u64) map;
        id = map->id;
        if (bpf_map_update_elem(&map_ids, &key, &id, BPF_ANY))
                lost_action();
        return 0;
}

/* BTF ------------------------------------------------------------------------------------------ */

static __always_inline void drop_btf(struct pt_regs *ctx, struct btf *btf, enum hook hook) {
        struct btf___counted *counted = (void *) btf;

        if (!btf)
                return;
        hit(hook);
        drop(ctx, btf, BPF_CORE_READ(btf, id), BPF_CORE_READ(counted, refcnt.refs.counter), true);
}

SEC("kprobe/btf_put")
int BPF_KPROBE(btf_put, struct btf *btf) {
        drop_btf(ctx, btf, HOOK_BTF_PUT);
        return 0;
}

SEC("kprobe/btf_release")
int BPF_KPROBE(btf_release, void *inode, struct file *file) {
        drop_btf(ctx, BPF_CORE_READ(file, private_data), HOOK_BTF_RELEASE);
        return 0;
}

SEC("kprobe/btf_free_rcu")
int BPF_KPROBE(btf_free_rcu, struct callback_head *rcu) {
        struct btf *btf = (void *) rcu - bpf_core_field_offset(struct btf___counted, rcu);
        struct btf___counted *counted = (void *) btf;
        struct record_object object = {};
        u64 key = (u64) btf;

        /* A module's: nobody loaded it by bpf(). */
        if (bpf_core_field_exists(counted->kernel_btf) && BPF_CORE_READ(counted, kernel_btf)) {
                bpf_map_delete_elem(&droppers, &key);
                return 0;
        }
        fill_btf(&object, btf);
        free_later(btf, &object, HOOK_BTF_FREE_RCU);
        return 0;
}

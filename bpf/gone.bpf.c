/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that go with what bpf() attached them to: a control group, a network namespace, a map of
 * sockets or a network device. No call is behind it; where there is a link it stays, and does
 * nothing any more. */

#include "kernel-gone.h"
#include "removal.h"
#include "target.h"

enum {
        CGROUP_TYPES_MAX = 64, /* attach types of control groups; 38 in Linux 7.3 */
        ATTACHED_MAX = 64,     /* BPF_CGROUP_MAX_PROGS, BPF_MPROG_MAX */
        NETNS_TYPES = 2,       /* enum netns_bpf_attach_type */
        NETDEV_ALIGNMENT = 32, /* include/linux/netdevice.h: NETDEV_ALIGN */
        GONE_ACTS = 1 << 16,   /* with a hook: the current task does it */
        POINTER = sizeof(u64),
};

/* Tells of a program, or a link (a pointer, not 0), that goes with this thread's target.
 * `hook_acts`: enum hook, GONE_ACTS. A global function: it is walked once, and Linux 5.10 takes
 * numbers alone. */
__weak int tell_gone_with(u64 prog, u64 link, u32 hook_acts) {
        u32 hook = hook_acts & (GONE_ACTS - 1);
        struct target_space *s = target_space();
        struct action_frame *frame;
        u64 key = ~thread_key();

        if (!s || hook >= _HOOK_MAX || (!prog && !link))
                return 0;
        frame = frame_beside(link ? ROAD_LINK : ROAD_PROG_ATTACH, hook);
        if (!frame)
                return 0;
        if (hook_acts & GONE_ACTS)
                frame->flags |= CALL_ATTRIBUTED;
        if (link)
                fill_link(&frame->object, (void *) link);
        else
                fill_prog(&frame->object, (void *) prog);
        target_copy(&frame->target, s);
        action_send(frame, 0, hook);
        bpf_map_delete_elem(&action_frames, &key);
        return 0;
}

static __always_inline u64 read_pointer(u64 at) {
        u64 pointer = 0;

        bpf_probe_read_kernel(&pointer, sizeof(pointer), (void *) at);
        return pointer;
}

/* Control groups ------------------------------------------------------------------------------- */

/* What is attached to a control group by one attach type. */
__weak int tell_cgroup_list(u64 head, u32 hook_acts) {
        u64 node = read_pointer(head);
        struct bpf_prog_list *entry;

        for (u32 i = 0; i < ATTACHED_MAX; i++) {
                if (!node || node == head)
                        break;
                entry = (void *) node - bpf_core_field_offset(struct bpf_prog_list, node);
                tell_gone_with((u64) BPF_CORE_READ(entry, prog), (u64) BPF_CORE_READ(entry, link),
                               hook_acts);
                node = read_pointer(node);
        }
        return 0;
}

/* A work of the kernel's, when the last process and socket of a removed group are gone. */
SEC("kprobe/cgroup_bpf_release")
int BPF_KPROBE(cgroup_gone, void *work) {
        u64 cgroup = (u64) work - bpf_core_field_offset(struct cgroup___bpf, bpf.release_work);
        u64 lists = cgroup + bpf_core_field_offset(struct cgroup___bpf, bpf.progs);
        u32 n = bpf_core_field_size(struct cgroup_bpf, effective) / POINTER;
        u32 size = bpf_core_field_size(struct cgroup_bpf, progs);

        if (!observes_removal(false) || !n || !target_begin())
                return 0;
        target_cgroup((u64) BPF_CORE_READ((struct cgroup___bpf *) cgroup, kn));
        for (u32 i = 0; i < CGROUP_TYPES_MAX; i++) {
                if (i >= n)
                        break;
                tell_cgroup_list(lists + i * (size / n), HOOK_CGROUP_BPF_RELEASE);
        }
        target_release();
        return 0;
}

/* Network namespaces --------------------------------------------------------------------------- */

__weak int tell_netns_links(u64 head) {
        u64 node = read_pointer(head);

        for (u32 i = 0; i < ATTACHED_MAX; i++) {
                if (!node || node == head)
                        break;
                tell_gone_with(0, node - bpf_core_field_offset(struct bpf_netns_link___node, node),
                               HOOK_NETNS_BPF_EXIT);
                node = read_pointer(node);
        }
        return 0;
}

SEC("kprobe/netns_bpf_pernet_pre_exit")
int BPF_KPROBE(netns_gone, struct net___bpf *net) {
        u64 progs = (u64) net + bpf_core_field_offset(struct net___bpf, bpf.progs);
        u64 links = (u64) net + bpf_core_field_offset(struct net___bpf, bpf.links);
        u32 size = bpf_core_field_size(struct netns_bpf, links);
        struct target_space *s;

        if (!observes_removal(false))
                return 0;
        s = target_begin();
        if (!s)
                return 0;
        target_netns(&s->target, (void *) net);
        for (u32 i = 0; i < NETNS_TYPES; i++) {
                tell_gone_with(read_pointer(progs + i * POINTER), 0, HOOK_NETNS_BPF_EXIT);
                tell_netns_links(links + i * (size / NETNS_TYPES));
        }
        target_release();
        return 0;
}

/* Maps of sockets ------------------------------------------------------------------------------ */

/* The last fd or pin of the map goes. A link holds one itself. */
static __always_inline int sockets_gone(struct pt_regs *ctx, struct bpf_map *map, u64 progs,
                                        enum hook hook) {
        u32 size = bpf_core_type_size(struct sk_psock_progs);
        bool acts = task_acts(ctx);
        struct target_space *s;

        if (!observes_removal(acts))
                return 0;
        s = target_begin();
        if (!s)
                return 0;
        target_map(&s->target, map);
        for (u32 i = 0; i < 4; i++) {
                if (i * POINTER >= size)
                        break;
                tell_gone_with(read_pointer(progs + i * POINTER), 0, hook | (acts ? GONE_ACTS : 0));
        }
        target_release();
        return 0;
}

SEC("kprobe/sock_map_release_progs")
int BPF_KPROBE(sockmap_gone, struct bpf_map *map) {
        return sockets_gone(ctx, map, (u64) map + bpf_core_field_offset(struct bpf_stab, progs),
                            HOOK_SOCK_MAP_RELEASE);
}

SEC("kprobe/sock_hash_release_progs")
int BPF_KPROBE(sockhash_gone, struct bpf_map *map) {
        return sockets_gone(ctx, map, (u64) map + bpf_core_field_offset(struct bpf_shtab, progs),
                            HOOK_SOCK_HASH_RELEASE);
}

/* Network devices ------------------------------------------------------------------------------ */

__weak int tell_entry(u64 address, u32 hook_acts) {
        struct bpf_mprog_entry *entry = (void *) address;
        struct bpf_mprog_bundle *bundle;
        u64 prog, link;

        if (!entry || !bpf_core_type_exists(struct bpf_mprog_entry))
                return 0;
        bundle = BPF_CORE_READ(entry, parent);
        for (u32 i = 0; i < ATTACHED_MAX; i++) {
                prog = read_pointer(address + i * bpf_core_type_size(struct bpf_mprog_fp));
                link = read_pointer((u64) bundle +
                                    bpf_core_field_offset(struct bpf_mprog_bundle, cp_items) +
                                    i * bpf_core_type_size(struct bpf_mprog_cp));
                if (!prog)
                        break;
                tell_gone_with(prog, link, hook_acts);
        }
        return 0;
}

/* What a device of the kind netkit runs: it goes a moment later. */
static __always_inline u64 netkit_entry(struct net_device___mprog *dev) {
        u64 size = bpf_core_type_size(struct net_device), entry = (u64) dev;
        char kind[8] = {};

        bpf_probe_read_kernel_str(kind, sizeof(kind), BPF_CORE_READ(dev, rtnl_link_ops, kind));
        if (!bpf_core_type_exists(struct netkit) ||
            *(u64 *) kind != NAME8('n', 'e', 't', 'k', 'i', 't', 0))
                return 0;
        entry += (size + NETDEV_ALIGNMENT - 1) & ~(u64) (NETDEV_ALIGNMENT - 1);
        return read_pointer(entry + bpf_core_field_offset(struct netkit, active));
}

/* tcx_uninstall(dev, ingress): of every device that goes, twice. */
SEC("kprobe/tcx_uninstall")
int BPF_KPROBE(tcx_gone, struct net_device___mprog *dev, u64 ingress) {
        bool acts = task_acts(ctx);
        u32 hook = HOOK_TCX_UNINSTALL | (acts ? GONE_ACTS : 0);
        struct target_space *s;

        if (!observes_removal(acts) || !bpf_core_field_exists(dev->tcx_ingress))
                return 0;
        s = target_begin();
        if (!s)
                return 0;
        target_interface(&s->target, (void *) dev);
        if (ingress & 1) {
                tell_entry((u64) BPF_CORE_READ(dev, tcx_ingress), hook);
                tell_entry(netkit_entry(dev), hook);
        } else {
                tell_entry((u64) BPF_CORE_READ(dev, tcx_egress), hook);
        }
        target_release();
        return 0;
}

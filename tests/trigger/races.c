/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Races: attributes that are not what they seem to be on entry, and fds that are not what they were
 * when the kernel took them. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

enum {
        PAGE = 4096,
        VALUE_SHOWN = 8, /* value_size that an early reader sees … */
        VALUE_USED = 64, /* … and the one that the kernel gets */
        ROUNDS_MAX = 4096,
};

/* Whether a page is mapped to memory already; /proc/PID/pagemap has it in the highest bit. */
static bool page_present(const void *page) {
        _cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        uint64_t entry = 0;

        return fd >= 0 &&
               pread(fd, &entry, sizeof(entry), (uintptr_t) page / PAGE * sizeof(entry)) ==
                       sizeof(entry) &&
               entry >> 63;
}

/* The kernel faults the page in while it copies; a reader that may not fault sees nothing. */
static int toctou_untouched(const struct arguments *a) {
        _cleanup_close_ int memory = memfd_create("attr", MFD_CLOEXEC);
        union bpf_attr attr;
        void *page;
        bool present;
        long ret;
        int r = 0;

        if (memory < 0)
                return -errno;
        fill_map(&attr, "trigger_untouch", VALUE_USED);
        if (pwrite(memory, &attr, sizeof(attr), 0) != sizeof(attr) || ftruncate(memory, PAGE) < 0)
                return -errno;
        page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, memory, 0);
        if (page == MAP_FAILED)
                return -errno;
        present = page_present(page);
        ret = bpf_call(BPF_MAP_CREATE, page, sizeof(attr));
        report_begin("toctou-untouched");
        report_call("MAP_CREATE", ret);
        report_number("present", present);
        if (ret >= 0)
                r = report_map(ret);
        report_end();
        return ret < 0 ? ret : r;
}

/* What the second thread of toctou-swap needs. */
struct swap {
        int uffd;
        union bpf_attr *attr;
        char *page; /* the one that is missing */
};

/* The kernel stumbles over the missing page: it has not copied the attributes yet. */
static void *swap_on_fault(void *userdata) {
        struct swap *s = userdata;
        struct uffdio_zeropage zero = {.range = {.start = (uintptr_t) s->page, .len = PAGE}};
        struct uffd_msg message;

        if (read(s->uffd, &message, sizeof(message)) == sizeof(message))
                s->attr->value_size = VALUE_USED;
        (void) ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero);
        return NULL;
}

static int open_userfault(void *page) {
        struct uffdio_api api = {.api = UFFD_API};
        struct uffdio_register range = {
                .range = {.start = (uintptr_t) page, .len = PAGE},
                .mode = UFFDIO_REGISTER_MODE_MISSING,
        };
        _cleanup_close_ int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

        if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* A race that is lost every time: the attributes are longer than the kernel knows and end on a
 * missing page. The kernel looks at that end first, and a second thread changes value_size before
 * it lets the kernel go on. */
static int toctou_swap(const struct arguments *a) {
        enum { IN_FIRST_PAGE = 256, IN_SECOND_PAGE = 64 };
        struct swap s;
        pthread_t thread;
        char *pages;
        long ret;
        int r = 0;

        pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
                return -errno;
        s.attr = (void *) (pages + PAGE - IN_FIRST_PAGE);
        s.page = pages + PAGE;
        fill_map(s.attr, "trigger_swap", VALUE_SHOWN);
        s.uffd = open_userfault(s.page);
        if (s.uffd == -ENOSYS || s.uffd == -EPERM)
                return report_skip("toctou-swap", "no userfaultfd() here");
        if (s.uffd < 0)
                return s.uffd;
        r = pthread_create(&thread, NULL, swap_on_fault, &s);
        if (r != 0)
                return -r;

        ret = bpf_call(BPF_MAP_CREATE, s.attr, IN_FIRST_PAGE + IN_SECOND_PAGE);
        report_begin("toctou-swap");
        report_call("MAP_CREATE", ret);
        report_number("shown", VALUE_SHOWN);
        if (ret >= 0)
                r = report_map(ret);
        report_end();
        return ret < 0 ? ret : r;
}

struct flip {
        union bpf_attr attr;
        atomic_bool stop;
};

static void *flip_forever(void *userdata) {
        struct flip *f = userdata;
        volatile uint32_t *value_size = &f->attr.value_size;

        while (!f->stop) {
                *value_size = VALUE_SHOWN;
                *value_size = VALUE_USED;
        }
        return NULL;
}

static int toctou_flip(const struct arguments *a) {
        static uint32_t ids[ROUNDS_MAX], sizes[ROUNDS_MAX];
        static struct flip f;
        size_t calls = strtoul(argument(a, 0, "100"), NULL, 0), made = 0;
        pthread_t thread;
        int r;

        fill_map(&f.attr, "trigger_flip", VALUE_SHOWN);
        r = pthread_create(&thread, NULL, flip_forever, &f);
        if (r != 0)
                return -r;
        for (size_t i = 0; i < calls && made < ROUNDS_MAX; i++) {
                _cleanup_close_ int fd = bpf_call(BPF_MAP_CREATE, &f.attr, sizeof(f.attr));

                if (fd >= 0 && map_value_size(fd, &ids[made], &sizes[made]) >= 0)
                        made++;
        }
        f.stop = true;
        pthread_join(thread, NULL);

        report_begin("toctou-flip");
        report_text("cmd", "MAP_CREATE");
        report_number("calls", MIN(calls, (size_t) ROUNDS_MAX));
        report_number("errors", MIN(calls, (size_t) ROUNDS_MAX) - made);
        report_numbers("ids", ids, made);
        report_numbers("value_sizes", sizes, made);
        report_end();
        return 0;
}

/* Swapped before the call has returned -------------------------------------------------------- */

enum { GATE_ROUNDS = 8000, GATE_SCRATCH = 1024 };

/* Shared with a program that holds a call up at its end, when its fd is there already. */
struct gate {
        _Atomic uint32_t tid; /* whose call */
        _Atomic uint32_t open;
        char scratch[GATE_SCRATCH];
};

/* What the call makes appears at this fd: a second thread keeps it at another, puts the decoy there
 * and opens the gate. */
struct swapper {
        struct gate *gate;
        int decoy;
        atomic_int fd; /* -1: none is awaited */
        atomic_int kept;
        atomic_bool stop;
};

static void *swap_result(void *userdata) {
        enum { KEPT_FROM = 500 };
        struct swapper *s = userdata;
        int fd, kept;

        while (!s->stop) {
                fd = s->fd;
                kept = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FROM);
                if (kept < 0)
                        continue;
                (void) dup2(s->decoy, fd);
                s->fd = -1;
                s->kept = kept;
                s->gate->open = 1;
        }
        return NULL;
}

#define LOAD_MAP_VALUE(reg, fd)             \
        {.code = BPF_LD | BPF_DW | BPF_IMM, \
         .dst_reg = (reg),                  \
         .src_reg = BPF_PSEUDO_MAP_VALUE,   \
         .imm = (fd)},                      \
        {                                   \
        }
#define MOVE(reg, from) \
        { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (reg), .src_reg = (from) }
#define SET(reg, value) \
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value) }
#define ADD(reg, value) \
        { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (reg), .imm = (value) }
#define LOAD32(reg, from, offset) \
        { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (reg), .src_reg = (from), .off = (offset) }
#define CALL(helper) \
        { .code = BPF_JMP | BPF_CALL, .imm = (helper) }
#define SKIP_UNLESS_EQUAL(reg, other, n) \
        { .code = BPF_JMP | BPF_JNE | BPF_X, .dst_reg = (reg), .src_reg = (other), .off = (n) }
#define SKIP_UNLESS(reg, value, n) \
        { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = (reg), .imm = (value), .off = (n) }

/* Waits while the gate of this thread is closed, for some time: programs may not wait for ever.
 * Walking the stack is what takes the time. */
static int make_gatekeeper(int map) {
        const struct bpf_insn insns[] = {
                MOVE(BPF_REG_8, BPF_REG_1),
                LOAD_MAP_VALUE(BPF_REG_6, map),
                CALL(BPF_FUNC_get_current_pid_tgid),
                {.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_0},
                LOAD32(BPF_REG_1, BPF_REG_6, offsetof(struct gate, tid)),
                SKIP_UNLESS_EQUAL(BPF_REG_0, BPF_REG_1, 11),
                SET(BPF_REG_7, GATE_ROUNDS),
                LOAD32(BPF_REG_1, BPF_REG_6, offsetof(struct gate, open)),
                SKIP_UNLESS(BPF_REG_1, 0, 8),
                MOVE(BPF_REG_1, BPF_REG_8),
                MOVE(BPF_REG_2, BPF_REG_6),
                ADD(BPF_REG_2, offsetof(struct gate, scratch)),
                SET(BPF_REG_3, GATE_SCRATCH),
                SET(BPF_REG_4, 0),
                CALL(BPF_FUNC_get_stack),
                ADD(BPF_REG_7, -1),
                SKIP_UNLESS(BPF_REG_7, 0, -10),
                SET(BPF_REG_0, 0),
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_KPROBE, .prog_name = "trigger_gate"};

        return load_program(&attr, insns, ELEMENTSOF(insns));
}

/* Attaches a program to the end of bpf(). Returns a perf event's fd; -ENOENT without kprobes. */
static int attach_to_end(int program) {
#ifdef __aarch64__
        static const char function[] = "__arm64_sys_bpf";
#else
        static const char function[] = "__x64_sys_bpf";
#endif
        enum { RETURN = 1 }; /* /sys/bus/event_source/devices/kprobe/format/retprobe */
        _cleanup_fclose_ FILE *f = fopen("/sys/bus/event_source/devices/kprobe/type", "re");
        struct perf_event_attr attr = {
                .size = sizeof(attr), .config = RETURN, .kprobe_func = (uintptr_t) function};
        _cleanup_close_ int fd = -1;

        if (!f)
                return -ENOENT;
        if (fscanf(f, "%" SCNu32, &attr.type) != 1)
                return -EIO;
        fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
        if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) < 0 ||
            ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int make_gate(struct gate **ret) {
        union bpf_attr attr;
        int fd;

        fill_map(&attr, "trigger_gate", sizeof(struct gate));
        attr.map_type = BPF_MAP_TYPE_ARRAY;
        attr.map_flags = BPF_F_MMAPABLE;
        attr.max_entries = 1;
        fd = bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr));
        if (fd < 0)
                return fd;
        *ret = mmap(NULL, sizeof(struct gate), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return *ret == MAP_FAILED ? -errno : fd;
}

static int make_swapped_map(void) {
        return make_map("trigger_made", BPF_MAP_TYPE_HASH, 8, 16);
}

static int make_swapped_program(void) {
        return make_program("trigger_made", BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);
}

static const struct swapped {
        const char *kind, *cmd;
        int (*make)(void);
} swapped_kinds[] = {
        {"map", "MAP_CREATE", make_swapped_map},
        {"program", "PROG_LOAD", make_swapped_program},
};

/* One call whose fd is another's when it returns. Returns the id of what it made, 0 on failure. */
static uint32_t swap_once(struct swapper *s, const struct swapped *what, uint32_t *in_time) {
        int next = dup(s->decoy), fd;
        uint32_t id;

        close(next); /* the lowest that is free: the call will get it */
        s->kept = -1;
        s->gate->open = 0;
        s->gate->tid = gettid();
        s->fd = next;
        fd = what->make();
        s->gate->tid = 0;
        if (fd != next)
                return 0;
        *in_time += s->kept >= 0;
        while (s->kept < 0)
                ;
        id = object_id(s->kept);
        close(s->kept);
        close(fd);
        return id;
}

static int swap_made(const struct arguments *a) {
        static uint32_t ids[ROUNDS_MAX];
        const struct swapped *what = swapped_kinds;
        size_t rounds = MIN(strtoul(argument(a, 1, "100"), NULL, 0), (size_t) ROUNDS_MAX);
        struct swapper s = {.fd = -1};
        uint32_t in_time = 0, made = 0;
        int map, program, event, r;
        pthread_t thread;

        while (strcmp(what->kind, argument(a, 0, "map")) != 0)
                if (++what == swapped_kinds + ELEMENTSOF(swapped_kinds))
                        return -EINVAL;
        map = make_gate(&s.gate);
        if (map < 0)
                return map;
        program = make_gatekeeper(map);
        if (program < 0)
                return program;
        event = attach_to_end(program);
        if (event < 0)
                return event;
        s.decoy = make_map("trigger_decoy", BPF_MAP_TYPE_HASH, 8, 16);
        if (s.decoy < 0)
                return s.decoy;
        r = pthread_create(&thread, NULL, swap_result, &s);
        if (r != 0)
                return -r;
        for (size_t i = 0; i < rounds; i++) {
                ids[made] = swap_once(&s, what, &in_time);
                made += ids[made] != 0;
        }
        s.stop = true;
        pthread_join(thread, NULL);

        report_begin("swap-made");
        report_text("cmd", what->cmd);
        report_text("name", "trigger_made");
        report_number("calls", rounds);
        report_number("in_time", in_time);
        report_numbers("ids", ids, made);
        report_end();
        return 0;
}

/* Swapped while the kernel waits for memory --------------------------------------------------- */

/* The page that the kernel waits for, and the fd that it took before or takes afterwards. */
struct hold {
        int uffd, fd, other;
        char *page, *content;
};

static void *swap_given(void *userdata) {
        struct hold *h = userdata;
        struct uffd_msg message;

        while (read(h->uffd, &message, sizeof(message)) == sizeof(message)) {
                struct uffdio_copy copy = {
                        .dst = (uintptr_t) h->page, .src = (uintptr_t) h->content, .len = PAGE};

                (void) dup2(h->other, h->fd);
                (void) ioctl(h->uffd, UFFDIO_COPY, &copy);
        }
        return NULL;
}

/* Opens a raw tracepoint, with a page missing: that of the name, which the kernel reads when it has
 * taken the program; or the one where the attributes end, at which it looks before it reads them.
 */
static int open_held(struct hold *h, bool taken) {
        enum { IN_FIRST_PAGE = 256, IN_SECOND_PAGE = 64 };
        static const char name[] = "cgroup_mkdir";
        union bpf_attr plain = {}, *attr = taken ? &plain : (void *) (h->page - IN_FIRST_PAGE);

        if (madvise(h->page, PAGE, MADV_DONTNEED) < 0)
                return -errno;
        memset(h->content, 0, PAGE);
        memset(attr, 0, sizeof(*attr));
        attr->raw_tracepoint.name = (uintptr_t) (taken ? h->page : name);
        attr->raw_tracepoint.prog_fd = h->fd;
        if (taken)
                memcpy(h->content, name, sizeof(name));
        return bpf_call(BPF_RAW_TRACEPOINT_OPEN, attr,
                        taken ? sizeof(*attr) : IN_FIRST_PAGE + IN_SECOND_PAGE);
}

static int link_ids(int fd, uint32_t *ret_id, uint32_t *ret_program) {
        struct bpf_link_info info = {};
        union bpf_attr attr = {
                .info = {.bpf_fd = fd, .info_len = sizeof(info), .info = (uintptr_t) &info}};
        int r = bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));

        if (r < 0)
                return r;
        *ret_id = info.id;
        *ret_program = info.prog_id;
        return 0;
}

static int swap_used(const struct arguments *a) {
        static uint32_t ids[ROUNDS_MAX], programs[ROUNDS_MAX];
        size_t rounds = MIN(strtoul(argument(a, 0, "100"), NULL, 0), (size_t) ROUNDS_MAX), made = 0;
        struct hold h = {};
        pthread_t thread;
        int shown, r;
        char *pages;

        pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
                return -errno;
        h.page = pages + PAGE;
        h.content = pages + 2 * PAGE;
        h.uffd = open_userfault(h.page);
        if (h.uffd == -ENOSYS || h.uffd == -EPERM)
                return report_skip("swap-used", "no userfaultfd() here");
        if (h.uffd < 0)
                return h.uffd;
        shown = make_program("trigger_shown", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
        h.other = make_program("trigger_other", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 1);
        h.fd = shown < 0 ? shown : dup(shown);
        if (h.fd < 0 || h.other < 0)
                return MIN(shown, h.other);
        r = pthread_create(&thread, NULL, swap_given, &h);
        if (r != 0)
                return -r;
        for (size_t i = 0; i < rounds; i++) {
                _cleanup_close_ int link = -1;

                if (dup2(shown, h.fd) < 0)
                        return -errno;
                link = open_held(&h, i % 2);
                if (link >= 0 && link_ids(link, &ids[made], &programs[made]) >= 0)
                        made++;
        }

        report_begin("swap-used");
        report_text("cmd", "RAW_TRACEPOINT_OPEN");
        report_number("calls", rounds);
        report_numbers("ids", ids, made);
        report_numbers("prog_ids", programs, made);
        report_end();
        return 0;
}

const struct action race_actions[] = {
        {"toctou-untouched", "", toctou_untouched, "attributes on a page not in memory yet"},
        {"toctou-swap", "", toctou_swap, "attributes changed after entry, every time"},
        {"toctou-flip", "[N]", toctou_flip, "attributes changed all the time, N calls"},
        {"swap-made", "[map|program [N]]", swap_made, "the new fd is another's on return, N calls"},
        {"swap-used", "[N]", swap_used, "the given fd is another's before or after its use"},
        {},
};

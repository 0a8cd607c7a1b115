/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions that are hard to observe rightly: calls by other roads, and attributes that are not what
 * they seem to be on entry. */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
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
        FLIPS_MAX = 4096,
};

static int report_skip(const char *action, const char *why) {
        report_begin(action);
        report_text("skip", why);
        report_end();
        return 0;
}

static void fill_map(union bpf_attr *attr, const char *name, uint32_t value_size) {
        memset(attr, 0, sizeof(*attr));
        attr->map_type = BPF_MAP_TYPE_HASH;
        attr->key_size = 4;
        attr->value_size = value_size;
        attr->max_entries = 16;
        memcpy(attr->map_name, name, MIN(strlen(name), sizeof(attr->map_name) - 1));
}

#ifdef __x86_64__
static long bpf_call_32bit(int cmd, void *attr, unsigned size) {
        long r;

        /* 357: bpf in arch/x86/entry/syscalls/syscall_32.tbl */
        asm volatile("int $0x80"
                     : "=a"(r)
                     : "a"(357L), "b"((long) cmd), "c"(attr), "d"((long) size)
                     : "memory", "r8", "r9", "r10", "r11");
        return (int) r;
}

static int compat(const struct arguments *a) {
        union bpf_attr *attr = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        long ret;

        if (attr == MAP_FAILED)
                return -errno;
        fill_map(attr, "trigger_compat", VALUE_SHOWN);
        ret = bpf_call_32bit(BPF_MAP_CREATE, attr, sizeof(*attr));
        if (ret == -ENOSYS)
                return report_skip("compat", "this kernel takes no 32-bit calls");
        return report_made("compat", "MAP_CREATE", ret, report_map);
}

/* Fails before the kernel has a copy of the attributes. */
static int compat_efault(const struct arguments *a) {
        long ret = bpf_call_32bit(BPF_MAP_CREATE, (void *) 8, sizeof(union bpf_attr));

        if (ret == -ENOSYS)
                return report_skip("compat-efault", "this kernel takes no 32-bit calls");
        report_begin("compat-efault");
        report_call("MAP_CREATE", ret);
        report_end();
        return ret < 0 ? 0 : -EBADE;
}
#else
static int compat(const struct arguments *a) {
        return report_skip("compat", "a 64-bit process cannot make 32-bit calls here");
}

static int compat_efault(const struct arguments *a) {
        return report_skip("compat-efault", "a 64-bit process cannot make 32-bit calls here");
}
#endif

/* A program that makes a map itself: it lays the attributes out on its stack, and returns what the
 * helper returned. */
static int make_caller(void) {
        enum { WORDS = 12, HELPER_SYS_BPF = 166, PROG_TYPE_SYSCALL = 31 };
        uint32_t words[WORDS] = {};
        struct bpf_insn insns[WORDS + 6];
        union bpf_attr map, attr = {
                                    .prog_type = PROG_TYPE_SYSCALL,
                                    .prog_name = "trigger_nested",
                                    .prog_flags = BPF_F_SLEEPABLE,
                            };
        size_t n = 0;

        fill_map(&map, "trigger_inner", VALUE_SHOWN);
        memcpy(words, &map, sizeof(words));
        for (int i = 0; i < WORDS; i++)
                insns[n++] = (struct bpf_insn){.code = BPF_ST | BPF_MEM | BPF_W,
                                               .dst_reg = BPF_REG_10,
                                               .off = 4 * (i - WORDS),
                                               .imm = words[i]};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4 * WORDS};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = BPF_MAP_CREATE};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 4 * WORDS};
        insns[n++] = (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = HELPER_SYS_BPF};
        insns[n++] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
        return load_program(&attr, insns, n);
}

static int nested(const struct arguments *a) {
        union bpf_attr attr = {};
        int fd = make_caller(), r;

        if (fd == -EINVAL)
                return report_skip("nested", "no programs that call bpf() (they came with 5.14)");
        if (fd < 0)
                return fd;
        attr.test.prog_fd = fd;
        r = bpf_call(BPF_PROG_TEST_RUN, &attr, sizeof(attr));
        if (r < 0)
                return r;
        return report_made("nested", "MAP_CREATE", (int) attr.test.retval, report_map);
}

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
        static uint32_t ids[FLIPS_MAX], sizes[FLIPS_MAX];
        static struct flip f;
        size_t calls = strtoul(argument(a, 0, "100"), NULL, 0), made = 0;
        pthread_t thread;
        int r;

        fill_map(&f.attr, "trigger_flip", VALUE_SHOWN);
        r = pthread_create(&thread, NULL, flip_forever, &f);
        if (r != 0)
                return -r;
        for (size_t i = 0; i < calls && made < FLIPS_MAX; i++) {
                _cleanup_close_ int fd = bpf_call(BPF_MAP_CREATE, &f.attr, sizeof(f.attr));

                if (fd >= 0 && map_value_size(fd, &ids[made], &sizes[made]) >= 0)
                        made++;
        }
        f.stop = true;
        pthread_join(thread, NULL);

        report_begin("toctou-flip");
        report_text("cmd", "MAP_CREATE");
        report_number("calls", MIN(calls, (size_t) FLIPS_MAX));
        report_number("errors", MIN(calls, (size_t) FLIPS_MAX) - made);
        report_numbers("ids", ids, made);
        report_numbers("value_sizes", sizes, made);
        report_end();
        return 0;
}

const struct action odd_actions[] = {
        {"compat", "", compat, "a 32-bit call"},
        {"compat-efault", "", compat_efault, "a 32-bit call, attributes at a bad address"},
        {"nested", "", nested, "a program that calls bpf() itself"},
        {"toctou-untouched", "", toctou_untouched, "attributes on a page not in memory yet"},
        {"toctou-swap", "", toctou_swap, "attributes changed after entry, every time"},
        {"toctou-flip", "[N]", toctou_flip, "attributes changed all the time, N calls"},
        {},
};

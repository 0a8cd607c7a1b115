/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of addresses: the kernel's, in a list of our own, and functions of ELF files, of our own
 * and of any bytes. */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "symbol-cache.h"
#include "symbol-search.h"
#include "symbols.h"
#include "tap-main.h"

static struct symbols *symbols;
static char folder[] = "/tmp/test-symbols.XXXXXX";
static char path[64];

static void setup(void) {
        if (syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno == ENOSYS)
                tap_skip("files are opened by openat2(), which is not there (valgrind has none)");
        ck_assert_int_eq(symbols_new(&symbols), 0);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/file", folder);
}

static void teardown(void) {
        symbols_free(symbols);
        unlink(path);
        rmdir(folder);
}

static void write_file(const void *data, size_t n) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_eq(write(fd, data, n), n);
}

/* The kernel --------------------------------------------------------------------------------- */

static const char list[] = "0000000000000000 A fixed_percpu_data\n"
                           "ffffffff81000000 T _stext\n"
                           "ffffffff81000000 T _text\n"
                           "ffffffff81000040 D in_the_middle\n"
                           "ffffffff81000040 t behind_data\n"
                           "ffffffff81000100 t do_one_initcall\n"
                           "ffffffff81000200 W weak_one\n"
                           "ffffffff82000000 D _sdata\n"
                           "ffffffffc0100000 t cls_bpf_init\t[cls_bpf]\n"
                           "ffffffffc0200000 t bpf_prog_6deef7357e7b4530_f\t[bpf]\n"
                           "ffffffffc0000010 T dummy_xmit\t[dummy]\n" /* in no order */
                           "\n"
                           "ffffffff81000110\n"
                           "ffffffff81000110 \n"
                           "ffffffff81000110 t\n"
                           "ffffffff81000110 t \n"
                           "no line of ours\n"
                           "ffffffff810001f0 t without_newline";

static const struct {
        uint64_t address;
        const char *name;
} kernel_rows[] = {
        {0, NULL},
        {0x10, NULL},
        {0xffffffff80ffffff, NULL},
        {0xffffffff81000000, "_stext"},
        {0xffffffff8100003f, "_stext+0x3f"},
        {0xffffffff81000041, "behind_data+0x1"},
        {0xffffffff81000100, "do_one_initcall"},
        {0xffffffff81000110, "do_one_initcall+0x10"},
        {0xffffffff81000110, "do_one_initcall+0x10"}, /* twice */
        {0xffffffff810001ff, "do_one_initcall+0xff"},
        {0xffffffff81000201, "weak_one+0x1"},
        {0xffffffff81100200, NULL}, /* far behind the last */
        {0xffffffff82000001, NULL}, /* data */
        {0xffffffffc000000f, NULL},
        {0xffffffffc0000010, "dummy_xmit [dummy]"},
        {0xffffffffc0000012, "dummy_xmit+0x2 [dummy]"},
        {0xffffffffc0100000, "cls_bpf_init [cls_bpf]"},
        {0xffffffffc0200008, "bpf_prog_6deef7357e7b4530_f+0x8 [bpf]"},
        {UINT64_MAX, NULL},
};

static void assert_name(const char *name, const char *expected) {
        if (expected)
                ck_assert_pstr_eq(name, expected);
        else
                ck_assert_msg(!name, "%s", name);
}

START_TEST(list_of_the_kernel) {
        struct place places[ELEMENTSOF(kernel_rows)] = {};

        write_file(list, sizeof(list) - 1);
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                places[i] = (struct place){.address = kernel_rows[i].address};
        ck_assert_int_eq(kallsyms_find(path, places, ELEMENTSOF(places)), 0);
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                assert_name(places[i].name, kernel_rows[i].name);
                free(places[i].name);
        }

        /* Each alone says the same. */
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                struct place p = {.address = kernel_rows[i].address};

                ck_assert_int_eq(kallsyms_find(path, &p, 1), 0);
                assert_name(p.name, kernel_rows[i].name);
                free(p.name);
        }
        ck_assert_int_eq(kallsyms_find(path, places, 0), 0);
}
END_TEST

/* As an unprivileged process sees it. */
START_TEST(list_without_addresses) {
        static const char zeros[] = "0000000000000000 T _stext\n0000000000000000 t f\n";
        struct place p[] = {{.address = 0}, {.address = 5}, {.address = 0xffffffff81000000}};

        write_file(zeros, sizeof(zeros) - 1);
        ck_assert_int_eq(kallsyms_find(path, p, ELEMENTSOF(p)), 0);
        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                ck_assert_ptr_null(p[i].name);
}
END_TEST

START_TEST(list_of_anything) {
        enum { SIZE = 200000 };
        _cleanup_free_ char *bytes = malloc(SIZE);
        struct place p = {.address = 0xffffffff81000000};

        ck_assert_int_eq(kallsyms_find("/nonexistent", &p, 1), -ENOENT);
        memset(bytes, 'f', SIZE); /* one endless line */
        write_file(bytes, SIZE);
        ck_assert_int_eq(kallsyms_find(path, &p, 1), -EBADMSG);
        srandom(5);
        for (int round = 0; round < 50; round++) {
                for (size_t i = 0; i < SIZE; i++)
                        bytes[i] = random() % 30 ? "0123456789abcdefTt  "[random() % 20] : '\n';
                write_file(bytes, SIZE);
                p.name = NULL;
                ck_assert_int_eq(kallsyms_find(path, &p, 1), 0);
                free(p.name);
        }
}
END_TEST

/* The first address of `n` functions of the running kernel, each with a name of its own. */
static size_t some_functions(uint64_t *addresses, char (*names)[128], size_t n) {
        _cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
        char line[512], type, name[128];
        unsigned long long address, last = 0;
        size_t found = 0;

        for (size_t i = 0; f && fgets(line, sizeof(line), f) && found < n; i++) {
                if (sscanf(line, "%llx %c %127s", &address, &type, name) != 3 || strchr(line, '['))
                        continue;
                if (strchr("tTwW", type) && address > last && i % 50 == 0) {
                        addresses[found] = address;
                        strcpy(names[found++], name);
                }
                last = address;
        }
        return found;
}

START_TEST(running_kernel) {
        static char names[SYMBOLS_LIST_MAX][128];
        uint64_t addresses[SYMBOLS_LIST_MAX];
        const char *list_names[SYMBOLS_LIST_MAX];
        char name[160], expected[160];
        size_t n = some_functions(addresses, names, SYMBOLS_LIST_MAX);

        if (n == 0)
                tap_skip("/proc/kallsyms tells no addresses");
        ck_assert_uint_gt(n, 500);
        ck_assert_int_eq(symbols_kernel_list(symbols, addresses, n, list_names), 0);
        for (size_t i = 0; i < n; i++)
                ck_assert_pstr_eq(list_names[i], names[i]);

        ck_assert_int_eq(symbols_kernel(symbols, addresses[7], name, sizeof(name)), 0);
        ck_assert_str_eq(name, names[7]);
        ck_assert_int_eq(symbols_kernel(symbols, addresses[7] + 1, name, sizeof(name)), 0);
        snprintf(expected, sizeof(expected), "%s+0x1", names[7]);
        ck_assert_str_eq(name, expected);
        ck_assert_int_eq(symbols_kernel(symbols, addresses[7], name, 4), 0);
        ck_assert_uint_eq(strlen(name), 3);
        ck_assert_int_eq(symbols_kernel(symbols, 0x1234, name, sizeof(name)), -ENOENT);
        ck_assert_int_eq(symbols_kernel_list(symbols, addresses, SYMBOLS_LIST_MAX + 1, list_names),
                         -E2BIG);
}
END_TEST

/* ELF files ------------------------------------------------------------------------------------
 */

struct image {
        Elf64_Ehdr header;
        Elf64_Phdr segments[2];
        Elf64_Shdr sections[4];
        Elf64_Sym symbols[12];
        char names[128];
        uint8_t code[4096];
};

enum { BASE = 0x400000 };

static uint32_t add_name(struct image *i, const char *name) {
        size_t at = 1;

        while (i->names[at])
                at += strlen(i->names + at) + 1;
        strcpy(i->names + at, name);
        return (uint32_t) at;
}

static void add_symbol(struct image *i, const char *name, uint8_t info, uint64_t at,
                       uint64_t size) {
        size_t n = 1;

        while (i->symbols[n].st_value)
                n++;
        i->symbols[n] = (Elf64_Sym){.st_name = add_name(i, name),
                                    .st_info = info,
                                    .st_shndx = 1,
                                    .st_value = BASE + at,
                                    .st_size = size};
}

/* The code of the image is at BASE. */
static void make_image(struct image *i) {
        enum { FUNCTION = STT_FUNC };

        *i = (struct image){
                .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                       1},
                           .e_type = ET_DYN,
                           .e_phoff = offsetof(struct image, segments),
                           .e_phentsize = sizeof(Elf64_Phdr),
                           .e_phnum = 2,
                           .e_shoff = offsetof(struct image, sections),
                           .e_shentsize = sizeof(Elf64_Shdr),
                           .e_shnum = 4},
                .segments = {{.p_type = PT_NOTE, .p_filesz = sizeof(*i)},
                             {.p_type = PT_LOAD,
                              .p_offset = offsetof(struct image, code),
                              .p_vaddr = BASE,
                              .p_filesz = sizeof(i->code)}},
                .sections = {{},
                             {.sh_type = SHT_DYNSYM},
                             {.sh_type = SHT_SYMTAB,
                              .sh_link = 3,
                              .sh_offset = offsetof(struct image, symbols),
                              .sh_size = sizeof(i->symbols)},
                             {.sh_type = SHT_STRTAB,
                              .sh_offset = offsetof(struct image, names),
                              .sh_size = sizeof(i->names)}},
        };
        if (__BYTE_ORDER == __BIG_ENDIAN)
                i->header.e_ident[EI_DATA] = ELFDATA2MSB;
        add_symbol(i, "first", ELF64_ST_INFO(STB_LOCAL, FUNCTION), 0x100, 0x40);
        add_symbol(i, "__versioned", ELF64_ST_INFO(STB_GLOBAL, FUNCTION), 0x200, 0x10);
        add_symbol(i, "versioned@@V_2", ELF64_ST_INFO(STB_GLOBAL, FUNCTION), 0x200, 0x10);
        add_symbol(i, "a_local", ELF64_ST_INFO(STB_LOCAL, FUNCTION), 0x200, 0x10);
        add_symbol(i, "object", ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0x108, 0x10);
        add_symbol(i, "unsized", ELF64_ST_INFO(STB_GLOBAL, FUNCTION), 0x300, 0);
        add_symbol(i, "chosen", ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC), 0x400, 1);
}

static const struct {
        uint64_t offset; /* into the code */
        const char *name;
} elf_rows[] = {
        {0, NULL},
        {0xff, NULL},
        {0x100, "first"},
        {0x110, "first+0x10"},
        {0x13f, "first+0x3f"},
        {0x140, NULL}, /* between two */
        {0x200, "versioned"},
        {0x204, "versioned+0x4"},
        {0x310, "unsized+0x10"},
        {0x400, "chosen"},
        {0x401, NULL},
        {4096, NULL}, /* behind the segment */
        {(uint64_t) -1, NULL},
};

START_TEST(elf_file) {
        uint64_t offsets[ELEMENTSOF(elf_rows)];
        const char *names[ELEMENTSOF(elf_rows)];
        struct image i;
        char name[64];

        make_image(&i);
        write_file(&i, sizeof(i));
        for (size_t j = 0; j < ELEMENTSOF(elf_rows); j++)
                offsets[j] = offsetof(struct image, code) + elf_rows[j].offset;
        /* The second time from memory. */
        for (int round = 0; round < 2; round++) {
                ck_assert_int_eq(symbols_file_list(symbols, 0, path, NULL, offsets,
                                                   ELEMENTSOF(offsets), names),
                                 0);
                for (size_t j = 0; j < ELEMENTSOF(elf_rows); j++)
                        assert_name(names[j], elf_rows[j].name);
        }
        for (size_t j = 0; j < ELEMENTSOF(elf_rows); j++) {
                int k = symbols_file(symbols, getpid(), path, NULL, offsets[j], name, sizeof(name));

                ck_assert_int_eq(k, elf_rows[j].name ? 0 : -ENOENT);
                if (k == 0)
                        ck_assert_str_eq(name, elf_rows[j].name);
        }
        ck_assert_int_eq(
                symbols_file_list(symbols, 0, path, NULL, offsets, SYMBOLS_LIST_MAX + 1, names),
                -E2BIG);
}
END_TEST

/* A clock by which each search takes `search_takes`, and time passes otherwise when we say so. */
static uint64_t clock_shows, search_takes;
static unsigned clock_reads;

static uint64_t read_clock(void) {
        /* Read before anything, before a search, after it, and when its answer is remembered. */
        if (clock_reads++ % 4 == 2)
                clock_shows += search_takes;
        return clock_shows;
}

/* Asks for ever other offsets into the file until that is too much. Returns how many were looked
 * up. */
static unsigned ask_too_much(struct symbols *s) {
        static uint64_t offset = 1 << 20;
        char name[160];
        unsigned n = 0;
        int k;

        for (;; n++) {
                ck_assert_uint_lt(n, 1000);
                clock_reads = 0;
                k = symbols_file(s, 0, path, NULL, offset++, name, sizeof(name));
                if (k == -EBUSY)
                        return n;
                ck_assert_int_eq(k, -ENOENT);
                ck_assert_uint_eq(clock_reads, 4);
        }
}

/* Whoever does takes no more than a share of our time; what is known is still told. */
START_TEST(bounded_time) {
        static const struct {
                uint64_t takes, burst, then; /* ms, searches, searches a minute later */
        } rows[] = {
                /* three seconds at once; a tenth of a minute is six, but no more than three count
                 */
                {100, 34, 34},
                {10, 334, 334},
                /* on a slow machine fifteen searches, and one more for what passes meanwhile */
                {1000, 17, 7},
                {4000, 17, 2},
        };
        enum { MS = 1000000 };
        struct image image;
        char name[64];

        make_image(&image);
        write_file(&image, sizeof(image));
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t known = offsetof(struct image, code) + 0x110;
                struct symbols *s;

                clock_shows = 1000;
                clock_reads = 0;
                search_takes = rows[i].takes * MS;
                ck_assert_int_eq(symbols_new_at(&s, read_clock), 0);
                ck_assert_int_eq(symbols_file(s, 0, path, NULL, known, name, sizeof(name)), 0);
                ck_assert_uint_eq(1 + ask_too_much(s), rows[i].burst);
                clock_shows += UINT64_C(60000) * MS;
                ck_assert_uint_eq(ask_too_much(s), rows[i].then);
                ck_assert_int_eq(symbols_file(s, 0, path, NULL, known, name, sizeof(name)), 0);
                ck_assert_str_eq(name, "first+0x10");
                symbols_free(s);
        }
}
END_TEST

/* What may change is forgotten after a while, and what stays is not. */
START_TEST(forgotten) {
        static char names[1][128];
        uint64_t known, unknown = 0x1000;
        struct symbols *s;
        char name[160];

        if (some_functions(&known, names, 1) == 0)
                tap_skip("/proc/kallsyms tells no addresses");
        clock_shows = 1000;
        search_takes = 1;
        ck_assert_int_eq(symbols_new_at(&s, read_clock), 0);
        for (int round = 0; round < 3; round++) {
                clock_reads = 0;
                ck_assert_int_eq(symbols_kernel(s, known, name, sizeof(name)), 0);
                ck_assert_str_eq(name, names[0]);
                ck_assert_uint_eq(clock_reads, round == 0 ? 4 : 1);
                /* Looked for at first and in the last round, six seconds later. */
                clock_reads = 0;
                ck_assert_int_eq(symbols_kernel(s, unknown, name, sizeof(name)), -ENOENT);
                ck_assert_uint_eq(clock_reads, round == 1 ? 1 : 4);
                clock_shows += round * UINT64_C(6000000000);
        }
        symbols_free(s);
}
END_TEST

/* Another file at the same path is another file. */
START_TEST(elf_file_replaced) {
        struct image i;
        char name[64];
        uint64_t at = offsetof(struct image, code) + 0x100;

        make_image(&i);
        write_file(&i, sizeof(i));
        ck_assert_int_eq(symbols_file(symbols, 0, path, NULL, at, name, sizeof(name)), 0);
        ck_assert_str_eq(name, "first");
        memcpy(memmem(i.names, sizeof(i.names), "first", 5), "other", 5);
        unlink(path);
        write_file(&i, sizeof(i));
        ck_assert_int_eq(symbols_file(symbols, 0, path, NULL, at, name, sizeof(name)), 0);
        ck_assert_str_eq(name, "other");
}
END_TEST

/* A function of ours, as the loader and the compiler know it. */
__attribute__((noinline, used)) void test_symbols_landmark(void);
void test_symbols_landmark(void) {
        __asm__ volatile("");
}

static int own_base(struct dl_phdr_info *info, size_t size, void *userdata) {
        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                uint64_t start = info->dlpi_addr + p->p_vaddr,
                         at = (uint64_t) (uintptr_t) test_symbols_landmark;

                if (p->p_type == PT_LOAD && at >= start && at < start + p->p_filesz)
                        *(uint64_t *) userdata = at - start + p->p_offset;
        }
        return *(uint64_t *) userdata != 0;
}

START_TEST(own_executable) {
        char executable[4096], name[64];
        uint64_t offset = 0;
        ssize_t n = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

        executable[n] = 0;
        dl_iterate_phdr(own_base, &offset);
        ck_assert_uint_ne(offset, 0);
        int k = symbols_file(symbols, 0, executable, NULL, offset, name, sizeof(name));
        if (k == -EXDEV || k == -EAGAIN)
                tap_skip("this program is on a file system that is not read");
        ck_assert_int_eq(k, 0);
        ck_assert_str_eq(name, "test_symbols_landmark");
}
END_TEST

START_TEST(narrow_elf_file) {
        struct {
                Elf32_Ehdr header;
                Elf32_Phdr segment;
                Elf32_Shdr sections[3];
                Elf32_Sym symbols[2];
                char names[8];
        } i = {
                .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32,
                                       __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB},
                           .e_phoff = sizeof(i.header),
                           .e_phentsize = sizeof(i.segment),
                           .e_phnum = 1,
                           .e_shentsize = sizeof(i.sections[0]),
                           .e_shnum = 3},
                .segment = {.p_type = PT_LOAD, .p_vaddr = 0x8000, .p_filesz = 0x1000},
                .sections = {{},
                             {.sh_type = SHT_DYNSYM, .sh_link = 2, .sh_size = sizeof(i.symbols)},
                             {.sh_type = SHT_STRTAB, .sh_size = sizeof(i.names)}},
                .symbols = {{},
                            {.st_name = 1,
                             .st_info = STT_FUNC,
                             .st_shndx = 1,
                             .st_value = 0x8010,
                             .st_size = 8}},
                .names = "\0narrow",
        };
        char name[64];

        i.header.e_shoff = (Elf32_Off) ((char *) i.sections - (char *) &i);
        i.sections[1].sh_offset = (Elf32_Off) ((char *) i.symbols - (char *) &i);
        i.sections[2].sh_offset = (Elf32_Off) (i.names - (char *) &i);
        write_file(&i, sizeof(i));
        ck_assert_int_eq(symbols_file(symbols, 0, path, NULL, 0x11, name, sizeof(name)), 0);
        ck_assert_str_eq(name, "narrow+0x1");
}
END_TEST

/* No file of any kind keeps us waiting. */
START_TEST(no_regular_files) {
        char name[64], link[96];

        snprintf(link, sizeof(link), "%s-link", path);
        ck_assert_int_eq(mkfifo(path, 0644), 0);
        ck_assert_int_eq(symbols_file(symbols, 0, path, NULL, 0, name, sizeof(name)), -EINVAL);
        ck_assert_int_eq(symlink("/proc/self/exe", link), 0);
        ck_assert_int_eq(symbols_file(symbols, 0, link, NULL, 0, name, sizeof(name)), -ELOOP);
        unlink(link);
        ck_assert_int_eq(symbols_file(symbols, 0, folder, NULL, 0, name, sizeof(name)), -EINVAL);
        ck_assert_int_lt(symbols_file(symbols, 0, "/dev/zero", NULL, 0, name, sizeof(name)), 0);
        ck_assert_int_lt(symbols_file(symbols, 0, "/proc/self/mem", NULL, 0, name, sizeof(name)),
                         0);
        ck_assert_int_lt(symbols_file(symbols, 0, "/proc/version", NULL, 0, name, sizeof(name)), 0);
        ck_assert_int_lt(symbols_file(symbols, 0, "", NULL, 0, name, sizeof(name)), 0);
        unlink(path);
        int k = symbols_file(symbols, 0, path, NULL, 0, name, sizeof(name));
        ck_assert(k == -ENOENT || k == -EAGAIN);

        /* A process that is gone sees nothing. */
        pid_t pid = fork();
        if (pid == 0)
                _exit(0);
        waitpid(pid, NULL, 0);
        ck_assert_int_eq(symbols_file(symbols, pid, "/bin/sh", NULL, 0, name, sizeof(name)),
                         -ENOENT);
}
END_TEST

/* The path is looked up below the root of the process. */
START_TEST(other_root) {
        struct image i;
        char name[64], c;
        int ready[2], end[2];

        if (geteuid() != 0)
                tap_skip("chroot() needs root");
        make_image(&i);
        write_file(&i, sizeof(i));
        ck_assert_int_eq(pipe(ready), 0);
        ck_assert_int_eq(pipe(end), 0);
        pid_t pid = fork();
        if (pid == 0) {
                close(end[1]);
                if (chroot(folder) < 0 || write(ready[1], "", 1) != 1)
                        _exit(1);
                _exit(read(end[0], &c, 1) != 0);
        }
        ck_assert_int_eq(read(ready[0], &c, 1), 1);
        ck_assert_int_eq(symbols_file(symbols, pid, "/file", NULL,
                                      offsetof(struct image, code) + 0x100, name, sizeof(name)),
                         0);
        ck_assert_str_eq(name, "first");
        ck_assert_int_lt(symbols_file(symbols, pid, "/../../bin/true", NULL, 0, name, sizeof(name)),
                         0);
        close(end[1]);
        waitpid(pid, NULL, 0);
}
END_TEST

static int find_in(const void *data, size_t n, uint64_t offset, char **ret) {
        _cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);
        struct place p = {.address = offset};

        ck_assert_int_eq(write(fd, data, n), n);
        int k = elf_find(fd, &p, 1);
        *ret = p.name;
        return k;
}

/* Wrong in one place each, or cut anywhere: an error or no name, and never a crash. */
START_TEST(hostile_elf_files) {
        static const uint64_t values[] = {
                0,          1,         0x7f,       0xff,       0xffff,
                UINT32_MAX, INT64_MAX, UINT64_MAX, 1ULL << 40, UINT64_MAX - 63};
        struct image i;
        char *name;

        make_image(&i);
        for (size_t n = 0; n < offsetof(struct image, code); n += 7) {
                find_in(&i, n, offsetof(struct image, code) + 0x100, &name);
                free(name);
        }
        for (size_t at = 0; at + 8 <= offsetof(struct image, code); at += 2)
                for (size_t v = 0; v < ELEMENTSOF(values); v++)
                        for (size_t width = 2; width <= 8; width *= 2) {
                                struct image bad = i;

                                memcpy((char *) &bad + at, &values[v], width);
                                find_in(&bad, sizeof(bad), offsetof(struct image, code) + 0x100,
                                        &name);
                                free(name);
                        }
        srandom(9);
        for (int round = 0; round < 3000; round++) {
                struct image bad = i;

                for (int j = 0; j < 8; j++)
                        ((uint8_t *) &bad)[(size_t) random() %
                                           offsetof(struct image, code)] = (uint8_t) random();
                find_in(&bad, sizeof(bad), (uint64_t) random() % sizeof(bad), &name);
                free(name);
        }
        ck_assert_int_eq(find_in("#!/bin/sh\n", 10, 0, &name), -ENOEXEC);
        ck_assert_int_eq(find_in("", 0, 0, &name), -ENOEXEC);
}
END_TEST

/* A name is shown as far as there is room for it. */
START_TEST(long_names) {
        struct image i;
        char *name;

        make_image(&i);
        memset(i.names + 1, 'n', sizeof(i.names) - 1);
        i.sections[3].sh_size = UINT64_MAX / 2;
        memset(i.code, 'n', sizeof(i.code));
        ck_assert_int_eq(find_in(&i, sizeof(i), offsetof(struct image, code) + 0x100, &name), 0);
        ck_assert_ptr_nonnull(name);
        ck_assert_uint_eq(strspn(name, "n"), 255);
        free(name);
}
END_TEST

/* The cache --------------------------------------------------------------------------------- */

START_TEST(cache_forgets_the_unused) {
        struct symbol_cache c = {};
        struct symbol_key used = {.address = 1}, unused = {.address = 2};

        ck_assert_ptr_null(symbol_cache_get(&c, &used, 0));
        symbol_cache_add(&c, &used, 0, strdup("used"));
        symbol_cache_add(&c, &unused, 0, NULL);
        ck_assert_ptr_null(symbol_cache_get(&c, &unused, 0)->name);
        for (uint64_t i = 0; i < 10 * SYMBOL_CACHE_GENERATION; i++) {
                struct symbol_key key = {.address = 1000 + i};

                symbol_cache_add(&c, &key, 0, strdup("other"));
                ck_assert_str_eq(symbol_cache_get(&c, &used, 0)->name, "used");
        }
        ck_assert_ptr_null(symbol_cache_get(&c, &unused, 0));

        /* An answer that expires, and another in its place. */
        symbol_cache_add(&c, &unused, 100, strdup("old"));
        ck_assert_str_eq(symbol_cache_get(&c, &unused, 99)->name, "old");
        ck_assert_ptr_null(symbol_cache_get(&c, &unused, 100));
        symbol_cache_add(&c, &unused, 0, strdup("new"));
        ck_assert_str_eq(symbol_cache_get(&c, &unused, 100)->name, "new");
        symbol_cache_clear(&c);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("symbols");
        TCase *c = tcase_create("symbols");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 120);
        tcase_add_test(c, list_of_the_kernel);
        tcase_add_test(c, list_without_addresses);
        tcase_add_test(c, list_of_anything);
        tcase_add_test(c, running_kernel);
        tcase_add_test(c, bounded_time);
        tcase_add_test(c, forgotten);
        tcase_add_test(c, elf_file);
        tcase_add_test(c, elf_file_replaced);
        tcase_add_test(c, own_executable);
        tcase_add_test(c, narrow_elf_file);
        tcase_add_test(c, no_regular_files);
        tcase_add_test(c, other_root);
        tcase_add_test(c, hostile_elf_files);
        tcase_add_test(c, long_names);
        tcase_add_test(c, cache_forgets_the_unused);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Build ids of executables, and of files that only look like some. */

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "build-id.h"
#include "tap-main.h"

static char id[BUILD_ID_TEXT_MAX];

/* A file in memory. */
static int file(const void *data, size_t n) {
        int fd = memfd_create("elf", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, data, n), (ssize_t) n);
        return fd;
}

static struct {
        Elf64_Ehdr header;
        Elf64_Phdr segment;
        Elf64_Nhdr other;
        char other_name[4], other_data[8];
        Elf64_Nhdr note;
        char name[4];
        uint8_t id[20];
} image;

static void make_image(void) {
        memset(&image, 0, sizeof(image));
        memcpy(image.header.e_ident, ELFMAG, SELFMAG);
        image.header.e_ident[EI_CLASS] = ELFCLASS64;
        image.header.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB
                                                                                  : ELFDATA2MSB;
        image.header.e_phoff = sizeof(image.header);
        image.header.e_phentsize = sizeof(image.segment);
        image.header.e_phnum = 1;
        image.segment.p_type = PT_NOTE;
        image.segment.p_offset = sizeof(image.header) + sizeof(image.segment);
        image.segment.p_filesz = sizeof(image) - image.segment.p_offset;
        image.other = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 7, .n_type = 77};
        image.note = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID};
        memcpy(image.other_name, "GNU", 4);
        memcpy(image.name, "GNU", 4);
        for (size_t i = 0; i < sizeof(image.id); i++)
                image.id[i] = (uint8_t) (0xa0 + i);
}

static int read_image(void) {
        _cleanup_close_ int fd = file(&image, sizeof(image));

        memset(id, 0, sizeof(id));
        return build_id_read(fd, id);
}

START_TEST(note) {
        make_image();
        ck_assert_int_eq(read_image(), 0);
        ck_assert_str_eq(id, "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3");
}
END_TEST

START_TEST(no_note) {
        make_image();
        image.note.n_type = 5;
        ck_assert_int_eq(read_image(), -ENOENT);
        make_image();
        image.segment.p_type = PT_LOAD;
        ck_assert_int_eq(read_image(), -ENOENT);
        make_image();
        image.name[0] = 'X';
        ck_assert_int_eq(read_image(), -ENOENT);
}
END_TEST

/* Nothing is read beyond the end, and nothing for ever. */
START_TEST(hostile) {
        static const uint32_t sizes[] = {0, 1, 65, 0x7fffffff, 0xfffffffd, 0xffffffff};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                make_image();
                image.note.n_descsz = sizes[i];
                if (sizes[i] == 1)
                        ck_assert_int_eq(read_image(), 0); /* short, but one */
                else
                        ck_assert_int_lt(read_image(), 0);
                make_image();
                image.other.n_namesz = sizes[i];
                (void) read_image();
                make_image();
                image.other.n_descsz = sizes[i];
                (void) read_image();
                make_image();
                image.segment.p_filesz = sizes[i];
                ck_assert_int_lt(read_image(), 0);
                make_image();
                image.segment.p_offset = UINT64_MAX - sizes[i];
                ck_assert_int_lt(read_image(), 0);
                make_image();
                image.header.e_phoff = UINT64_MAX - sizes[i];
                ck_assert_int_lt(read_image(), 0);
        }
        make_image();
        image.header.e_phnum = UINT16_MAX;
        image.segment.p_type = PT_LOAD;
        (void) read_image();

        _cleanup_close_ int empty = file("", 0), text = file("#!/bin/sh\nexit\nand more", 24);
        ck_assert_int_lt(build_id_read(empty, id), 0);
        ck_assert_int_eq(build_id_read(text, id), -EBADMSG);
}
END_TEST

/* Our own executable: what the linker wrote. */
START_TEST(ourselves) {
        char path[PATH_MAX] = "", wrong[PATH_MAX + 8];
        struct build_ids *b;
        struct stat st;
        const char *found;

        ck_assert_int_gt(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
        ck_assert_int_eq(stat(path, &st), 0);
        const uint64_t changed = (uint64_t) st.st_ctim.tv_sec * 1000000 +
                                 (uint64_t) st.st_ctim.tv_nsec / 1000;
        ck_assert_int_eq(build_ids_new(&b), 0);
        found = build_ids_get(b, getpid(), path, st.st_ino, changed);
        if (!found)
                tap_skip("the linker wrote no build id, or the file system is not a local one");
        ck_assert_uint_ge(strlen(found), 16);
        char first[BUILD_ID_TEXT_MAX];
        strcpy(first, found);
        ck_assert_str_eq(build_ids_get(b, 0, path, st.st_ino, changed), first);
        /* Another file by now, or none. */
        ck_assert_ptr_null(build_ids_get(b, 0, path, st.st_ino + 1, changed));
        ck_assert_ptr_null(build_ids_get(b, 0, path, st.st_ino, changed + 1));
        snprintf(wrong, sizeof(wrong), "%s.none", path);
        ck_assert_ptr_null(build_ids_get(b, 0, wrong, st.st_ino, changed));
        build_ids_free(b);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("build-id");
        TCase *c = tcase_create("build-id");

        tcase_add_test(c, note);
        tcase_add_test(c, no_note);
        tcase_add_test(c, hostile);
        tcase_add_test(c, ourselves);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)

/* SPDX-License-Identifier: MIT
 *
 * build.c: which program this is, so that a process of another one is not taken for one of its workers.
 *
 * The linker's note says it, which is the same wherever the file is; if the program has none, the file does. */
#include "process/zygote.h"

#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct text {
    char *at;
    size_t room;
};

static size_t aligned(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* True: the note with the build's number is among these, and told. */
static bool tell_note(const struct text *text, const char *note, size_t bytes, size_t align)
{
    while (bytes > sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) head;
        size_t name, number, all;

        memcpy(&head, note, sizeof head);
        name = sizeof head;
        number = aligned(name + head.n_namesz, align);
        all = aligned(number + head.n_descsz, align);
        if (number + head.n_descsz > bytes)
            return false;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
            memcmp(note + name, "GNU", 4) == 0) {
            int n = snprintf(text->at, text->room, "build ");

            for (size_t i = 0; i < head.n_descsz && (size_t)n + 3 <= text->room; i++)
                n += snprintf(text->at + n, text->room - (size_t)n, "%02x",
                              (unsigned)(unsigned char)note[number + i]);
            return true;
        }
        if (all >= bytes)
            return false;
        note += all;
        bytes -= all;
    }
    return false;
}

/* The program itself is the first that is told of. */
static int look_at_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct text *text = arg;

    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_NOTE &&
            tell_note(text, (const char *)(uintptr_t)(info->dlpi_addr + part->p_vaddr),
                      (size_t)part->p_memsz, part->p_align == 8 ? 8 : 4))
            break;
    }
    return 1;
}

void fl_build_tell(char *at, size_t room)
{
    struct text text = {at, room};
    struct stat st;

    at[0] = '\0';
    dl_iterate_phdr(look_at_program, &text);
    if (at[0] == '\0' && stat("/proc/self/exe", &st) == 0)
        snprintf(at, room, "file %llx:%llx of %lld bytes, %lld.%09ld",
                 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                 (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (at[0] == '\0')
        snprintf(at, room, "unknown");
}

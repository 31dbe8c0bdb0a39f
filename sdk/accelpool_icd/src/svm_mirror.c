/* The address comes from a peer, who must not be able to have anything of this process overwritten: memory is only
 * mapped where nothing is (MAP_FIXED_NOREPLACE), in whole pages, and away from where the stack grows. A Linux before
 * 4.17 ignores that flag and maps elsewhere, which is undone. */
#define _GNU_SOURCE
#include "svm_mirror.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define LOWEST (UINT64_C(1) << 16)           /* what Linux lets nobody map */
#define HIGHEST (UINT64_C(1) << 47)          /* where a process's memory ends */
#define STACK_ROOM_BYTES (UINT64_C(1) << 27) /* what Linux leaves below the stack at least */

/* Where the main thread's stack was and ends; the end of all memory if nobody says it. */
static uint64_t stack_bottom = HIGHEST, stack_top = HIGHEST;
static pthread_once_t stack_once = PTHREAD_ONCE_INIT;

static void find_stack(void) {
    static const char name[] = " [stack]\n";
    FILE *maps = fopen("/proc/self/maps", "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while (maps && (length = getline(&line, &room, maps)) > 0) {
        size_t name_at = (size_t)length - (sizeof name - 1);
        unsigned long long bottom, top;
        if ((size_t)length >= sizeof name && !strcmp(line + name_at, name) &&
            sscanf(line, "%llx-%llx", &bottom, &top) == 2) {
            stack_bottom = bottom;
            stack_top = top;
        }
    }
    free(line);
    if (maps) {
        fclose(maps);
    }
}

size_t page_bytes(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t paged(size_t size) {
    size_t page = page_bytes();
    return (size + page - 1) / page * page;
}

enum mirrored map_mirror(uint64_t address, size_t size) {
    if (address % page_bytes() || address < LOWEST || address >= HIGHEST || size == 0 || size > HIGHEST ||
        paged(size) > HIGHEST - address) {
        return IS_NO_ADDRESS;
    }
    pthread_once(&stack_once, find_stack);
    if (address < stack_top && address + paged(size) > stack_bottom - STACK_ROOM_BYTES) {
        return IS_TAKEN;
    }
    void *wanted = (void *)(uintptr_t)address;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void *found = mmap(wanted, paged(size), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (found == wanted) {
        return IS_MIRRORED;
    }
    if (found != MAP_FAILED) {
        munmap(found, paged(size));
        return IS_TAKEN;
    }
    return errno == EEXIST || errno == EINVAL || errno == EPERM ? IS_TAKEN : IS_NO_MEMORY;
}

void unmap_mirror(void *memory, size_t size) {
    munmap(memory, paged(size));
}

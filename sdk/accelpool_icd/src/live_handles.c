/* Which memory objects and samplers are alive: asked where a compiler does not tell what a kernel's argument is, and
 * eight bytes may be a handle or a number. A hash table with open addressing; one lock. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "memory.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void **table;
static size_t room, used; /* `used` counts graves, too */
static char grave;

static size_t first_place(const void *handle) {
    return (size_t)(((uintptr_t)handle >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);
}

/* Where a handle is, or the free place that ends the search. */
static size_t find(const void *handle) {
    size_t place = first_place(handle);
    while (table[place] && table[place] != handle) {
        place = (place + 1) & (room - 1);
    }
    return place;
}

static bool grow(void) {
    void **old = table;
    size_t old_room = room;
    void **fresh = calloc(old_room ? 2 * old_room : 1024, sizeof *fresh);
    if (!fresh) {
        return false;
    }
    table = fresh;
    room = old_room ? 2 * old_room : 1024;
    used = 0;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i] && old[i] != &grave) {
            table[find(old[i])] = old[i];
            used++;
        }
    }
    free(old);
    return true;
}

void enter_handle(void *handle) {
    pthread_mutex_lock(&lock);
    if (2 * (used + 1) <= room || grow()) {
        size_t place = find(handle);
        used += !table[place];
        table[place] = handle;
    }
    pthread_mutex_unlock(&lock);
}

void remove_handle(void *handle) {
    pthread_mutex_lock(&lock);
    if (room) {
        size_t place = find(handle);
        if (table[place]) {
            table[place] = &grave;
        }
    }
    pthread_mutex_unlock(&lock);
}

void hold_handles(void) {
    pthread_mutex_lock(&lock);
}

void let_go_of_handles(void) {
    pthread_mutex_unlock(&lock);
}

bool is_live_handle(const void *handle) {
    pthread_mutex_lock(&lock);
    bool is_so = handle && room && table[find(handle)] != NULL;
    pthread_mutex_unlock(&lock);
    return is_so;
}

/* Allocations of shared virtual memory, and which of them an address is in. */
#include <string.h>

#include "device_info.h"
#include "event.h"
#include "memory.h"
#include "svm.h"
#include "tags.h"

/* Linux gives a process some 65000 mappings. */
enum { TRIES = 8, MAX_ALIGNMENT = 65536, MAX_ALLOCATIONS = 16384 };

struct allocation {
    cl_mem mem;
    cl_event freed_with; /* NULL: not to be freed yet */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows, and no other lock is taken with it */
static struct allocation *allocations;                   /* by address */
static size_t count, room;
static size_t dropping, dropped; /* allocations that commands free now, and that they have freed so far */
static pthread_cond_t has_dropped = PTHREAD_COND_INITIALIZER;

bool has_svm(cl_context context) {
    for (cl_uint i = 0; i < context->device_count; i++) {
        if (!context->devices[i]->has_svm) {
            return false;
        }
    }
    return true;
}

/* ---- which one an address is in ------------------------------------------------------------------------------ */

/* How many allocations start there or before: the last of them is the one that it may be in. */
static size_t count_up_to(const void *pointer) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)allocations[middle].mem->host_ptr <= (uintptr_t)pointer) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The allocation that starts there, or NULL. */
static struct allocation *at_start(const void *pointer) {
    size_t place = count_up_to(pointer);
    return place > 0 && allocations[place - 1].mem->host_ptr == pointer ? &allocations[place - 1] : NULL;
}

static bool enter(cl_mem mem) {
    pthread_mutex_lock(&lock);
    if (count == room && room < MAX_ALLOCATIONS) {
        size_t more = room ? 2 * room : 64;
        struct allocation *grown = realloc(allocations, more * sizeof *grown);
        allocations = grown ? grown : allocations;
        room = grown ? more : room;
    }
    bool has_room = count < room;
    if (has_room) {
        size_t place = count_up_to(mem->host_ptr);
        memmove(&allocations[place + 1], &allocations[place], (count - place) * sizeof *allocations);
        allocations[place] = (struct allocation){mem, NULL};
        count++;
    }
    pthread_mutex_unlock(&lock);
    return has_room;
}

static struct allocation take(struct allocation *from) {
    struct allocation taken = *from;
    size_t after = count - (size_t)(from - allocations) - 1;
    memmove(from, from + 1, after * sizeof *from);
    count--;
    return taken;
}

cl_mem hold_svm(const void *pointer, size_t *offset) {
    pthread_mutex_lock(&lock);
    size_t place = count_up_to(pointer);
    cl_mem mem = place > 0 ? allocations[place - 1].mem : NULL;
    *offset = mem ? (uintptr_t)pointer - (uintptr_t)mem->host_ptr : 0;
    mem = mem && *offset < mem->size ? mem : NULL;
    if (mem) {
        retain(mem);
    }
    pthread_mutex_unlock(&lock);
    return mem;
}

void hold_memories(void) {
    pthread_mutex_lock(&lock);
}

void let_go_of_memories(void) {
    pthread_mutex_unlock(&lock);
}

void abandon_memories(void) {
    dropping = 0; /* the thread that was at it is the other process's */
    pthread_cond_init(&has_dropped, NULL);
    pthread_mutex_unlock(&lock);
}

/* ---- freeing ------------------------------------------------------------------------------------------------- */

static void drop(struct allocation allocation) {
    release_mem(allocation.mem);
    if (allocation.freed_with) {
        release_event(allocation.freed_with);
    }
}

bool may_free(cl_context context, cl_uint pointer_count, void *const *pointers) {
    bool is_so = true;
    pthread_mutex_lock(&lock);
    for (cl_uint i = 0; i < pointer_count; i++) {
        const struct allocation *found = pointers[i] ? at_start(pointers[i]) : NULL;
        is_so = is_so && (!pointers[i] || (found && !found->freed_with && found->mem->context == context));
    }
    pthread_mutex_unlock(&lock);
    return is_so;
}

void free_with(cl_event event, cl_uint pointer_count, void *const *pointers) {
    pthread_mutex_lock(&lock);
    for (cl_uint i = 0; i < pointer_count; i++) {
        struct allocation *found = pointers[i] ? at_start(pointers[i]) : NULL;
        if (found && !found->freed_with) {
            found->freed_with = event;
            retain(event);
        }
    }
    pthread_mutex_unlock(&lock);
}

/* Take one out; false if there is none. */
static bool take_one_with(cl_event event, struct allocation *taken) {
    bool is_there = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count && !is_there; i++) {
        if (allocations[i].freed_with == event) {
            *taken = take(&allocations[i]);
            dropping++;
            is_there = true;
        }
    }
    pthread_mutex_unlock(&lock);
    return is_there;
}

void free_those_with(cl_event event) {
    struct allocation taken;
    while (take_one_with(event, &taken)) {
        drop(taken);
        pthread_mutex_lock(&lock);
        dropping--;
        dropped++;
        pthread_cond_broadcast(&has_dropped);
        pthread_mutex_unlock(&lock);
    }
}

void keep_those_with(cl_event event) {
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++) {
        if (allocations[i].freed_with == event) {
            allocations[i].freed_with = NULL;
            release(event); /* not the last: the caller has it */
        }
    }
    pthread_mutex_unlock(&lock);
}

void clSVMFree(cl_context context, void *pointer) {
    struct allocation taken = {0};
    pthread_mutex_lock(&lock);
    struct allocation *found = pointer ? at_start(pointer) : NULL;
    if (found && found->mem->context == context) {
        taken = take(found);
    }
    pthread_mutex_unlock(&lock);
    if (taken.mem) {
        drop(taken);
    }
}

/* The event with which the next allocation of a session is to be freed, from a place on, held; NULL if with none. */
static cl_event next_event(const struct session *session, size_t *place) {
    cl_event event = NULL;
    pthread_mutex_lock(&lock);
    for (; *place < count && !event; (*place)++) {
        if (allocations[*place].mem->session == session && (event = allocations[*place].freed_with)) {
            retain(event);
        }
    }
    pthread_mutex_unlock(&lock);
    return event;
}

/* How many commands have freed so far. */
static size_t count_dropped(void) {
    pthread_mutex_lock(&lock);
    size_t so_far = dropped;
    pthread_mutex_unlock(&lock);
    return so_far;
}

/* Wait for what other threads are freeing; whether more is free than that. */
static bool is_more_dropped(size_t than) {
    pthread_mutex_lock(&lock);
    while (dropping > 0) {
        pthread_cond_wait(&has_dropped, &lock);
    }
    bool is_more = dropped != than;
    pthread_mutex_unlock(&lock);
    return is_more;
}

/* Free what commands that are complete have freed, though nobody told so yet; whether there was any, or others have
 * freed more than so many. */
static bool free_what_is_due(const struct session *session, size_t dropped_before) {
    bool was_any = is_more_dropped(dropped_before);
    cl_event event;
    for (size_t place = 0; (event = next_event(session, &place)); release_event(event)) {
        if (current_status(event) == CL_COMPLETE) {
            free_those_with(event);
            place--; /* what came behind it is there now */
            was_any = true;
        }
    }
    return was_any;
}

/* ---- allocating ---------------------------------------------------------------------------------------------- */

/* Why there can be no such memory, in words; NULL if there can be. */
static const char *why_not(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment) {
    const cl_svm_mem_flags access = CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY;
    if (!has_svm(context)) {
        return "a device of the context has no coarse-grained shared virtual memory";
    }
    if (flags & (CL_MEM_SVM_FINE_GRAIN_BUFFER | CL_MEM_SVM_ATOMICS)) {
        return "host and device of a pool are two machines: coarse-grained memory is possible";
    }
    if ((flags & ~access) || (flags & (flags - 1))) {
        return "flags that exclude each other, or are none";
    }
    if (size == 0 || size > most_of_devices(context, CL_DEVICE_MAX_MEM_ALLOC_SIZE)) {
        return "no bytes, or more than devices allocate at once";
    }
    return alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) ? "an alignment that is not possible" : NULL;
}

/* Ask the worker for it, and learn its address. */
static cl_int ask(cl_mem mem, size_t alignment, uint64_t *address) {
    struct connection *c = mem->session->connection;
    flush(c); /* what was released before is free by then */
    struct writer *w = begin(c, CREATE_SVM, 5);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, mem->handle);
    write_uint(w, mem->context->handle);
    write_uint(w, mem->flags & ~(cl_mem_flags)CL_MEM_USE_HOST_PTR);
    write_uint(w, paged(mem->size));
    write_uint(w, alignment);
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    *address = code == CL_SUCCESS ? read_uint(&answer.fields) : 0;
    if (code == CL_SUCCESS && (answer.tag != SVM_CREATED || answer.fields.failed || *address % alignment)) {
        code = CL_OUT_OF_RESOURCES;
    }
    answer_free(&answer);
    return code;
}

/* Find an address that is free at both ends; why there is none, in words. */
static const char *place(cl_mem mem, size_t alignment) {
    struct connection *c = mem->session->connection;
    uint64_t held[TRIES], address = 0; /* what is not free here stays held meanwhile: the next one is elsewhere */
    size_t held_count = 0;
    const char *why = "no address that the node had is free in this process";
    bool is_to_try = true;
    while (is_to_try && held_count < TRIES) {
        size_t dropped_before = count_dropped();
        cl_int code = ask(mem, alignment, &address);
        enum mirrored is = code == CL_SUCCESS ? map_mirror(address, mem->size) : IS_NO_ADDRESS;
        is_to_try = is == IS_TAKEN ||
                    (code == CL_MEM_OBJECT_ALLOCATION_FAILURE && free_what_is_due(mem->session, dropped_before));
        if (is_to_try) {
            held[held_count++] = mem->handle;
            mem->handle = new_handle(c);
        } else if (is == IS_MIRRORED) {
            mem->host_ptr = (void *)(uintptr_t)address;
            mem->is_svm = true;
            why = NULL;
        } else if (held_count == 0) {
            why = code != CL_SUCCESS ? "the node has no such memory" : "this process has no memory there";
        }
    }
    while (held_count > 0) {
        release_handle(c, held[--held_count]);
    }
    return why;
}

void *clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment) {
    if (!is_object(context, A_CONTEXT)) {
        return NULL;
    }
    const char *why = why_not(context, flags, size, alignment);
    cl_mem mem = NULL;
    if (!why) {
        mem = new_mem(context, CL_MEM_OBJECT_BUFFER, flags | CL_MEM_USE_HOST_PTR, size, NULL);
        why = mem ? place(mem, alignment > page_bytes() ? alignment : page_bytes()) : "no memory";
    }
    if (!why && !enter(mem)) {
        why = "a process has 16384 allocations at most";
    }
    if (!why) {
        return mem->host_ptr;
    }
    say("clSVMAlloc", why);
    if (mem) {
        release_mem(mem);
    }
    return NULL;
}

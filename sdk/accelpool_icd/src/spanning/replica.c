#include "replica.h"

#include "../event.h"
#include "../memory.h"
#include "migration.h"
#include "usage.h"

void free_replicas(struct spanning_mem *mem) {
    for (cl_uint i = 0; mem->replicas && i < mem->base.context->part_count; i++) {
        struct replica *replica = &mem->replicas[i];
        clear_usage(&replica->readers);
        clear_usage(&replica->writers);
        free(replica->readers.events);
        free(replica->writers.events);
        forget_transfer(&replica->arrival);
        forget_transfer(&replica->departure);
    }
    free(mem->replicas);
}

enum access writing(cl_mem handle, size_t offset, size_t size) {
    const struct spanning_mem *mem = spanning_of(handle, A_SPANNING_MEM);
    bool is_all = mem && mem->origin + offset == 0 && size == mem->whole->size;
    return is_all ? OVERWRITES : WRITES;
}

/* ---- what a command uses ------------------------------------------------------------------------------------ */

/* The use of a whole, made if it is the first; NULL without memory. */
static struct use *use_of(struct uses *uses, struct spanning_mem *whole) {
    size_t at = 0;
    while (at < uses->count && (uintptr_t)uses->list[at].whole < (uintptr_t)whole) {
        at++;
    }
    if (at < uses->count && uses->list[at].whole == whole) {
        return &uses->list[at];
    }
    if (uses->count == uses->room) {
        size_t room = uses->room ? 2 * uses->room : 4;
        struct use *grown = realloc(uses->list, room * sizeof *grown);
        if (!grown) {
            return NULL;
        }
        uses->list = grown;
        uses->room = room;
    }
    for (size_t i = uses->count++; i > at; i--) {
        uses->list[i] = uses->list[i - 1];
    }
    uses->list[at] = (struct use){.whole = whole};
    return &uses->list[at];
}

static bool name_mem(struct uses *uses, struct spanning_mem *mem) {
    if (uses->mem_count == uses->mem_room) {
        size_t room = uses->mem_room ? 2 * uses->mem_room : 4;
        struct spanning_mem **grown = realloc(uses->mems, room * sizeof *grown);
        if (!grown) {
            return false;
        }
        uses->mems = grown;
        uses->mem_room = room;
    }
    uses->mems[uses->mem_count++] = mem;
    return true;
}

bool add_use(struct uses *uses, struct spanning_mem *mem, enum access access) {
    struct use *use = use_of(uses, mem->whole);
    if (!use || !name_mem(uses, mem)) {
        return false;
    }
    if (access == DISCARDS) {
        use->is_write = use->is_write || mem == mem->whole; /* what is beside a region must stay */
    } else {
        use->is_write = use->is_write || access != READS;
        use->needs_content = use->needs_content || access != OVERWRITES;
    }
    return true;
}

void free_uses(struct uses *uses) {
    free(uses->list);
    free(uses->mems);
}

void lock_uses(struct uses *uses) {
    for (size_t i = 0; i < uses->count; i++) {
        pthread_mutex_lock(&uses->list[i].whole->lock);
    }
}

void unlock_uses(struct uses *uses) {
    for (size_t i = uses->count; i-- > 0;) {
        pthread_mutex_unlock(&uses->list[i].whole->lock);
    }
}

/* ---- what it takes: with the wholes locked ------------------------------------------------------------------ */

/* Take into account how the last migrations to and from a part ended, as far as that is known here. A failed arrival
 * leaves nothing to use: the next command that needs the content has it migrated anew. Whoever wrote over that since
 * has waited for it, so that its failure is theirs. */
static void settle(struct spanning_mem *whole, cl_uint part) {
    struct replica *replica = &whole->replicas[part];
    if (replica->departure && event_status(replica->departure) <= CL_COMPLETE) {
        forget_transfer(&replica->departure);
    }
    if (replica->arrival && event_status(replica->arrival) <= CL_COMPLETE) {
        bool is_good = event_status(replica->arrival) == CL_COMPLETE;
        replica->is_valid = replica->is_valid && (is_good || whole->owner == (int)part);
        forget_usage(&replica->writers, replica->arrival);
        forget_transfer(&replica->arrival);
    }
}

static cl_int reside(struct use *use, cl_command_queue queue, cl_uint part, struct waits *waits) {
    struct spanning_mem *whole = use->whole;
    struct replica *replica = &whole->replicas[part];
    settle(whole, part);
    cl_int code = CL_SUCCESS;
    if (use->needs_content && whole->owner >= 0 && !replica->is_valid) {
        code = migrate(whole, part);
    }
    bool has_room = reserve_usage(use->is_write ? &replica->writers : &replica->readers, queue);
    has_room = has_room && (!replica->arrival || add_wait(waits, replica->arrival));
    has_room = has_room && (!use->is_write || !replica->departure || add_wait(waits, replica->departure));
    return code != CL_SUCCESS ? code : has_room ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

cl_int make_resident(struct uses *uses, cl_command_queue queue, cl_uint part, struct waits *waits) {
    cl_int code = CL_SUCCESS;
    for (size_t i = 0; code == CL_SUCCESS && i < uses->mem_count; i++) {
        code = announce_mem(part_at(uses->mems[i], part), NULL);
    }
    for (size_t i = 0; code == CL_SUCCESS && i < uses->count; i++) {
        code = reside(&uses->list[i], queue, part, waits);
    }
    return code;
}

void note_uses(struct uses *uses, cl_event event, cl_uint part) {
    for (size_t i = 0; i < uses->count; i++) {
        struct use *use = &uses->list[i];
        struct replica *replica = &use->whole->replicas[part];
        if (use->is_write && !use->needs_content) {
            forget_ended(&replica->writers, true); /* what they wrote is gone */
        }
        add_usage(use->is_write ? &replica->writers : &replica->readers, event);
        for (cl_uint p = 0; use->is_write && p < use->whole->base.context->part_count; p++) {
            use->whole->replicas[p].is_valid = p == part;
        }
        use->whole->owner = use->is_write ? (int)part : use->whole->owner;
    }
}

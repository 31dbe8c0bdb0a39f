#include "command.h"

static bool failed(struct spanning_command *c, cl_int code) {
    c->code = code;
    return false;
}

static cl_int check_wait_list(const struct spanning_context *context, cl_uint count, const cl_event *list) {
    if ((count == 0) != (list == NULL)) {
        return CL_INVALID_EVENT_WAIT_LIST;
    }
    for (cl_uint i = 0; i < count; i++) {
        const struct spanning_event *event = spanning_of(list[i], AN_SPANNING_EVENT);
        if (!event) {
            return CL_INVALID_EVENT_WAIT_LIST;
        }
        if (event->base.context != context) {
            return CL_INVALID_CONTEXT;
        }
    }
    return CL_SUCCESS;
}

/* Have every event of the wait list known in the queue's session. One that is over elsewhere need not be, but a list
 * must not end empty: a marker on nothing would wait for its queue. */
static cl_int localise(struct spanning_command *c, cl_uint count, const cl_event *list) {
    cl_int code = CL_SUCCESS;
    for (cl_uint i = 0; code == CL_SUCCESS && i < count; i++) {
        struct spanning_event *event = (struct spanning_event *)list[i];
        bool has_others = c->waits.count > 0 || i + 1 < count;
        if (event->home != c->part && has_others && is_over(event)) {
            continue;
        }
        cl_event own = event_at(event, c->part, &code);
        if (own && !add_wait(&c->waits, own)) {
            code = CL_OUT_OF_HOST_MEMORY;
        }
    }
    return code;
}

bool open_command(struct spanning_command *c, cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list,
                  bool wants_event) {
    *c = (struct spanning_command){.of = spanning_of(queue, A_SPANNING_QUEUE)};
    if (!c->of) {
        return failed(c, CL_INVALID_COMMAND_QUEUE);
    }
    c->part = c->of->home;
    c->queue = part_at(c->of, c->part);
    c->code = check_wait_list(c->of->base.context, wait_count, wait_list);
    c->code = c->code == CL_SUCCESS ? localise(c, wait_count, wait_list) : c->code;
    if (c->code == CL_SUCCESS && wants_event) {
        c->event = new_spanning_event(c->of->base.context, c->of);
        c->own_ret = &c->own;
        c->code = c->event ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    return c->code == CL_SUCCESS;
}

cl_mem use(struct spanning_command *c, cl_mem handle, enum access access) {
    struct spanning_mem *mem = spanning_of(handle, A_SPANNING_MEM);
    if (c->code != CL_SUCCESS) {
        return NULL;
    }
    if (!mem || mem->base.context != c->of->base.context) {
        c->code = mem ? CL_INVALID_CONTEXT : CL_INVALID_MEM_OBJECT;
        return NULL;
    }
    cl_mem own = part_at(mem, c->part);
    if (!own) {
        c->code = mem->base.parts[c->part].code;
    } else if (access != NOTHING && !mem->is_bound) {
        c->own_ret = &c->own;
        c->code = add_use(&c->uses, mem, access) ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    return own;
}

bool occupy(struct spanning_command *c) {
    if (c->code == CL_SUCCESS) {
        lock_uses(&c->uses);
        c->is_occupied = true;
        c->code = make_resident(&c->uses, c->queue, c->part, &c->waits);
    }
    if (c->is_blocking) {
        c->own_ret = &c->own;
    }
    return c->code == CL_SUCCESS;
}

/* Wait for a blocking command with nothing locked; how it ended. */
static cl_int await_end(struct spanning_command *c) {
    flush_parts(c->of->base.context);
    cl_int code = wait_events(1, &c->own);
    cl_int status = event_status(c->own);
    return status < 0 ? status : code;
}

cl_int close_command(struct spanning_command *c, cl_event *event) {
    if (c->is_occupied) {
        if (c->code == CL_SUCCESS) {
            note_uses(&c->uses, c->own, c->part);
        }
        unlock_uses(&c->uses);
    }
    if (c->code == CL_SUCCESS && c->is_blocking) {
        c->code = await_end(c);
    }
    if (c->code == CL_SUCCESS && event) {
        c->event->base.parts[c->part].object = c->own;
        *event = (cl_event)c->event;
    } else {
        if (c->event) {
            release_spanning_event(c->event);
        }
        if (c->own) {
            release_event(c->own);
        }
    }
    free_waits(&c->waits);
    free_uses(&c->uses);
    return c->code;
}

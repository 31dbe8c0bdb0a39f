#define _GNU_SOURCE
#include "migration.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "../event.h"
#include "../memory.h"
#include "../transfer.h"
#include "usage.h"

void forget_transfer(cl_event *event) {
    if (*event) {
        release_event(*event);
        *event = NULL;
    }
}

/* From now on a replica knows of a transfer, whose end is to be told without anyone waiting for it. */
static void keep_transfer(cl_event *place, cl_event event) {
    forget_transfer(place);
    *place = event;
    watch(event->session, 1, &event);
}

static cl_int send_content(struct spanning_mem *whole, cl_uint part, const unsigned char *ticket) {
    struct spanning_context *context = whole->base.context;
    struct replica *from = &whole->replicas[whole->owner];
    struct waits waits = {0};
    cl_event sent = NULL;
    cl_int code = CL_SUCCESS;
    cl_command_queue mover = mover_at(context, (cl_uint)whole->owner, true, &code);
    forget_ended(&from->writers, false);
    if (mover && (!add_usage_waits(&waits, &from->writers) || !reserve_usage(&from->readers, mover))) {
        code = CL_OUT_OF_HOST_MEMORY;
    }
    if (code == CL_SUCCESS) {
        cl_mem own = part_at(whole, (cl_uint)whole->owner);
        code = send_buffer(mover, own, session_at(context, part), ticket, waits.count, waits.events, &sent);
    }
    if (code == CL_SUCCESS) {
        add_usage(&from->readers, sent);
        keep_transfer(&from->departure, sent);
    }
    free_waits(&waits);
    return code;
}

static cl_int receive_content(struct spanning_mem *whole, cl_uint part, const unsigned char *ticket) {
    struct replica *to = &whole->replicas[part];
    struct waits waits = {0};
    cl_event received = NULL;
    cl_int code = CL_SUCCESS;
    cl_command_queue mover = mover_at(whole->base.context, part, false, &code);
    forget_ended(&to->writers, true); /* what they left is replaced, whatever it is */
    forget_ended(&to->readers, true);
    if (mover && (!add_usage_waits(&waits, &to->writers) || !add_usage_waits(&waits, &to->readers) ||
                  !reserve_usage(&to->writers, mover))) {
        code = CL_OUT_OF_HOST_MEMORY;
    }
    if (code == CL_SUCCESS) {
        code = receive_buffer(mover, part_at(whole, part), ticket, waits.count, waits.events, &received);
    }
    if (code == CL_SUCCESS) {
        clear_usage(&to->writers);
        clear_usage(&to->readers);
        add_usage(&to->writers, received);
        keep_transfer(&to->arrival, received);
        forget_transfer(&to->departure);
        to->is_valid = true;
    }
    free_waits(&waits);
    return code;
}

/* What a writer left that failed goes nowhere: who needs it fails at once, as it would behind a failed transfer. */
static cl_int refuse_content(struct spanning_mem *whole, cl_uint part) {
    cl_int code;
    cl_event never = clCreateUserEvent(part_at(whole->base.context, part), &code);
    if (never) {
        code = clSetUserEventStatus(never, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
        forget_transfer(&whole->replicas[part].arrival);
        whole->replicas[part].arrival = never;
    }
    return code;
}

/* Take what the worker told without being asked. Meanwhile the connection's own thread may have seen that somebody
 * reads; it has to look again. */
static bool hear(struct connection *c) {
    bool is_alive = try_receive(c);
    service_wake(c);
    return is_alive;
}

cl_int migrate(struct spanning_mem *whole, cl_uint part) {
    unsigned char ticket[TICKET_BYTES];
    struct connection *from = session_at(whole->base.context, (cl_uint)whole->owner)->connection;
    struct connection *to = session_at(whole->base.context, part)->connection;
    /* Hear of failures that have been told: what they are of is not sent, and not waited for. */
    if (!hear(from) || !hear(to) || syscall(SYS_getrandom, ticket, sizeof ticket, 0) != sizeof ticket) {
        return CL_OUT_OF_RESOURCES;
    }
    if (has_failed(&whole->replicas[whole->owner].writers)) {
        return refuse_content(whole, part);
    }
    cl_int code = send_content(whole, part, ticket);
    return code == CL_SUCCESS ? receive_content(whole, part, ticket) : code;
}

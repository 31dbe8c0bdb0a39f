/* Content from this session to another one, or from another one to this: docs/wire.md, section 15. */
#include "tags.h"
#include "transfer.h"

static void write_place(struct writer *w, cl_mem buffer) {
    write_uint(w, buffer->handle);
    write_uint(w, 0);
    write_uint(w, buffer->size);
}

cl_int send_buffer(cl_command_queue queue, cl_mem buffer, const struct session *to, const unsigned char *ticket,
                   cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_MIGRATE_MEM_OBJECTS, wait_count, wait_list, true);
    struct writer *w = begin_command(&command, SEND_BUFFER, 10, &code);
    if (w) {
        write_place(w, buffer);
        write_text(w, to->host);
        write_uint(w, (uint64_t)to->port);
        write_text(w, to->id);
        write_bin(w, ticket, TICKET_BYTES);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

cl_int receive_buffer(cl_command_queue queue, cl_mem buffer, const unsigned char *ticket, cl_uint wait_count,
                      const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_MIGRATE_MEM_OBJECTS, wait_count, wait_list, true);
    struct writer *w = begin_command(&command, RECEIVE_BUFFER, 7, &code);
    if (w) {
        write_place(w, buffer);
        write_bin(w, ticket, TICKET_BYTES);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

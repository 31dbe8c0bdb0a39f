/* Rectangles: the regions that transfers move, of bytes (buffers) and of pixels in bytes (images). */
#ifndef ACCELPOOL_TRANSFER_H
#define ACCELPOOL_TRANSFER_H

#include "command.h"

/* A rectangle in linear memory: bytes, rows, slices. */
struct rectangle {
    size_t origin[3], region[3];
    size_t row_pitch, slice_pitch;
};

/* Fill in pitches of 0, and check them; CL_INVALID_VALUE for what cannot be, and for what ends beyond `bytes`. */
cl_int check_rectangle(struct rectangle *rectangle, size_t bytes);
struct destination host_place(const void *pointer, const struct rectangle *rectangle);
void write_triple(struct writer *w, const size_t *triple);

/* Send a write whose message is begun: the host's bytes are its payload. */
cl_int post_region(struct connection *c, const struct destination *from);

/* delivery.c: have all of a buffer sent to another session, which receives it with the same ticket: random bytes, new
 * for each transfer. */
enum { TICKET_BYTES = 32 };
cl_int send_buffer(cl_command_queue queue, cl_mem buffer, const struct session *to, const unsigned char *ticket,
                   cl_uint wait_count, const cl_event *wait_list, cl_event *event);
cl_int receive_buffer(cl_command_queue queue, cl_mem buffer, const unsigned char *ticket, cl_uint wait_count,
                      const cl_event *wait_list, cl_event *event);

#endif

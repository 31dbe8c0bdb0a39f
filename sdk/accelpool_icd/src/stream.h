/* A TCP stream to a worker: dialling, and waiting with an eye on whether the other side still lives. */
#ifndef ACCELPOOL_STREAM_H
#define ACCELPOOL_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#define DIAL_TIMEOUT_S 10

int stream_dial(const char *host, int port); /* a descriptor, or -1 */

/* Wait for poll events, `timeout_ms` at most (-1: for ever): those that happened, 0 past the time, -1 for a peer that
 * is dead. */
int stream_await(int fd, short events, int timeout_ms);

uint64_t now_ns(void); /* of the monotonic clock */

#endif

#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    KEEPALIVE_IDLE_S = 5,
    KEEPALIVE_INTERVAL_S = 2,
    KEEPALIVE_COUNT = 4,
    LOOK_EVERY_MS = 2000,
    DEAD_PEER_MS = 10000
};

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set(int fd, int level, int option, int value) {
    setsockopt(fd, level, option, &value, sizeof value);
}

static void set_options(int fd) {
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
}

static bool is_connected(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, DIAL_TIMEOUT_S * 1000) == 1 && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) &&
           !error;
}

static int dial_address(const struct addrinfo *address) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) && (errno != EINPROGRESS || !is_connected(fd))) {
        close(fd);
        return -1;
    }
    set_options(fd);
    return fd;
}

int stream_dial(const char *host, int port) {
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, service, &hints, &found)) {
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *address = found; address && fd < 0; address = address->ai_next) {
        fd = dial_address(address);
    }
    freeaddrinfo(found);
    return fd;
}

/* Whether the other side has owed an acknowledgement for too long. One that lives acknowledges even without room. */
static bool is_silent(int fd) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) && info.tcpi_unacked &&
           info.tcpi_last_ack_recv > DEAD_PEER_MS;
}

int stream_await(int fd, short events, int timeout_ms) {
    struct pollfd ready = {.fd = fd, .events = events};
    uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : now_ns() + (uint64_t)timeout_ms * 1000000u;
    for (;;) {
        uint64_t now = now_ns();
        uint64_t left_ms = now < deadline ? (deadline - now + 999999u) / 1000000u : 0;
        int happened = poll(&ready, 1, left_ms < LOOK_EVERY_MS ? (int)left_ms : LOOK_EVERY_MS);
        if (happened > 0) {
            return ready.revents;
        }
        if (happened < 0 && errno != EINTR) {
            return -1;
        }
        if (is_silent(fd)) {
            return -1;
        }
        if (left_ms == 0) {
            return 0;
        }
    }
}

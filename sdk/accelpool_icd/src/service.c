/* A connection's own thread: flushes, reads where nobody waits, and runs tasks (the application's callbacks). */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "stream.h"

/* While things are gathered it ticks, and who gathers need not wake it; after some ticks in vain it sleeps. */
enum { IDLE_TICKS = 20, LOOK_EVERY_S = 2 };

#define TICK_NS 500000

void service_wake(struct connection *c) {
    if (!atomic_exchange(&c->is_woken, true)) {
        (void)!write(c->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    }
}

void service_arm(struct connection *c) {
    if (!atomic_exchange(&c->is_armed, true) && !c->is_ticking) {
        service_wake(c);
    }
}

void service_add(struct connection *c, struct task *task) {
    task->next = NULL;
    *c->last_task = task;
    c->last_task = &task->next;
    service_wake(c);
}

static bool run_task(struct connection *c) {
    pthread_mutex_lock(&c->lock);
    struct task *task = c->tasks;
    if (task) {
        c->tasks = task->next;
        if (!c->tasks) {
            c->last_task = &c->tasks;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (task) {
        task->run(task);
    }
    return task != NULL;
}

/* A socket that is lost is closed once nobody uses it any more. */
static void close_lost(struct connection *c) {
    pthread_mutex_lock(&c->sending);
    pthread_mutex_lock(&c->lock);
    if (!c->is_reading) {
        close(c->fd);
        c->fd = -1;
    }
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_unlock(&c->sending);
}

static bool is_to_read(struct connection *c) {
    pthread_mutex_lock(&c->lock);
    bool is_so = c->unwaited > 0 && c->waiters == 0 && !c->is_reading && !c->is_lost;
    pthread_mutex_unlock(&c->lock);
    return is_so;
}

static void sleep_until_woken(struct connection *c) {
    struct pollfd ready[2] = {{.fd = c->wake_fd, .events = POLLIN}, {.fd = c->fd, .events = POLLIN}};
    bool is_reading = is_to_read(c);
    const struct timespec tick = {.tv_nsec = TICK_NS}, look = {.tv_sec = LOOK_EVERY_S};
    const struct timespec *longest = c->is_ticking ? &tick : is_reading ? &look : NULL;
    int count = ppoll(ready, is_reading ? 2 : 1, longest, NULL);
    if (is_reading && count == 0 && longest == &look && stream_await(c->fd, POLLIN, 0) < 0) {
        connection_fail(c, "the node does not answer any more");
    }
    if (count > 0 && ready[0].revents) {
        (void)!read(c->wake_fd, &(uint64_t){0}, sizeof(uint64_t));
        atomic_store(&c->is_woken, false);
    }
    if (count > 0 && is_reading && ready[1].revents && is_to_read(c)) {
        try_receive(c);
    }
}

static void *serve(void *connection) {
    struct connection *c = connection;
    int idle_ticks = 0;
    for (;;) {
        if (run_task(c)) {
            continue;
        }
        if (c->is_lost && c->fd >= 0) {
            close_lost(c);
        }
        if (atomic_exchange(&c->is_armed, false)) {
            if (c->is_ticking) { /* gathered within the last tick */
                flush(c);
            } else {
                c->is_armed = true; /* flushed with the first tick */
            }
            idle_ticks = 0;
        } else {
            idle_ticks++;
        }
        c->is_ticking = idle_ticks < IDLE_TICKS;
        if (!c->is_ticking && c->is_armed) {
            c->is_ticking = true; /* by somebody who still saw it ticking */
        }
        sleep_until_woken(c);
    }
    return NULL;
}

bool service_start(struct connection *c) {
    sigset_t all, before;
    c->last_task = &c->tasks;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0) {
        return false;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool has_started = !pthread_create(&c->service, NULL, serve, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!has_started) {
        close(c->wake_fd);
        c->wake_fd = -1;
    }
    return has_started;
}

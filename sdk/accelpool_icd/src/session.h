/* Sessions: one per endpoint of the lease, opened when devices are first asked for, shared by all contexts. */
#ifndef ACCELPOOL_SESSION_H
#define ACCELPOOL_SESSION_H

#include "connection.h"

enum { WATCH_BUCKETS = 1024, MOST_SESSIONS = 1024 };

struct session {
    struct connection *connection;
    char *node, *environment, *host;
    int port;
    unsigned char *welcome; /* what the devices' infos read in */
    char id[64];
    bool knows_svm; /* the worker, too */
    cl_uint device_count;
    cl_device_id *devices; /* without parts */
    /* with the connection's lock */
    cl_event watched[WATCH_BUCKETS];
    cl_context notified;
};

/* The sessions of the lease, opened now where there is none or it is lost; how many. A session is never freed. */
size_t all_sessions(struct session *list[MOST_SESSIONS]);

/* Say what happened on stderr, where ACCELPOOL_ICD_VERBOSE is set. */
void say(const char *what, const char *why);

#endif

/* The lease that the environment variable ACCELPOOL_LEASE_FILE names: who to connect to, and with which token. */
#ifndef ACCELPOOL_LEASE_H
#define ACCELPOOL_LEASE_H

#include <stddef.h>

/* With a certificate the node does TLS, which we do not: it is reached by a tunnel on loopback, if there is one. */
struct endpoint {
    char *node;
    char *environment;
    char *host;
    long port;
    char *token;
    char *certificate;
    long tunnel_port; /* 0 for none */
};

struct lease {
    struct endpoint *endpoints;
    size_t count;
};

/* Read the file anew: a renewal replaces it. False if there is none, or it does not say what a lease file says. */
_Bool lease_read(struct lease *lease);
void lease_free(struct lease *lease);

#endif

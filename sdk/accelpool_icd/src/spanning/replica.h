/* Memory over several sessions: where the content of each buffer is, and what it takes to use it elsewhere.
 *
 *     a replica   known to the worker once something used it there
 *                 valid: its content is the newest
 *     a command   that needs the content where it is not valid: a migration from its owner, then valid there, too
 *                 that writes: valid there alone, which is the owner now
 *     a buffer    that nobody wrote and that had no first content: valid nowhere, and does not migrate
 *
 * Sub-buffers and images over a buffer are part of a whole, and where that is. Other images are bound: they stay.
 *
 * Ordering commands of one session among each other is the application's, as ever in OpenCL. What a migration needs
 * is ours: it is sent after the owner's last writers and received after the stale replica's last users; commands wait
 * for the arrival until its end is known here, those that write for the departure too.
 */
#ifndef ACCELPOOL_SPANNING_REPLICA_H
#define ACCELPOOL_SPANNING_REPLICA_H

#include "spanning.h"

/* Ordinary events to wait for. */
struct waits {
    cl_uint count, room;
    cl_event *events;
};

bool add_wait(struct waits *waits, cl_event event); /* false without memory */
void free_waits(struct waits *waits);

/* The commands that used a replica, as held events: of an in-order queue the last one, of another one all. */
struct usage {
    cl_uint count, room;
    cl_event *events;
};

struct replica {
    struct usage readers, writers; /* the arrival of the content is a writer */
    cl_event arrival;              /* of the migration that fills it, until that is known to have ended; held */
    cl_event departure;            /* of the last migration from it, likewise */
    bool is_valid;
};

struct spanning_mem {
    struct spanning base;
    uint64_t serial;             /* tells it from another one that had this address */
    struct spanning_mem *parent; /* held; NULL of a whole */
    struct spanning_mem *whole;  /* perhaps itself */
    size_t origin;               /* in the whole */
    size_t size;
    bool is_bound;
    pthread_mutex_t lock; /* of what follows */
    struct callback *destructors;
    struct replica *replicas; /* of a whole that is not bound: one per part */
    int owner;                /* the part that wrote it last; -1 for none */
};

void free_replicas(struct spanning_mem *mem);

/* What a command does to memory. A kernel may leave parts of what it writes as they were, so that needs the content,
 * but OVERWRITES does not: it is of all the whole. DISCARDS is of the content, and NOTHING names the memory only. */
enum access { NOTHING, READS, WRITES, OVERWRITES, DISCARDS };
enum access writing(cl_mem mem, size_t offset, size_t size); /* OVERWRITES or WRITES */

/* What one command does to one whole: all its accesses together. */
struct use {
    struct spanning_mem *whole;
    bool is_write, needs_content;
};

struct uses {
    size_t count, room;
    struct use *list; /* by address, the order in which they are locked */
    size_t mem_count, mem_room;
    struct spanning_mem **mems; /* those named, to be made known where they are used */
};

bool add_use(struct uses *uses, struct spanning_mem *mem, enum access access); /* false without memory */
void free_uses(struct uses *uses);
void lock_uses(struct uses *uses);
void unlock_uses(struct uses *uses);
/* Between the two: have all of it where a command of this queue finds it, and add what that is to wait for. */
cl_int make_resident(struct uses *uses, cl_command_queue queue, cl_uint part, struct waits *waits);
/* Take into account that the command was sent. */
void note_uses(struct uses *uses, cl_event event, cl_uint part);

#endif

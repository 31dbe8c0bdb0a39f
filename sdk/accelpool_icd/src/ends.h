/* Ends that this side knows: of a read, whose bytes may still be on their way when the worker says that a later
 * command is complete; and of an event that the application sets.
 *
 * Whoever sees a command complete may count on all that it comes after, by its queue or its wait list: so each event
 * knows which reads are before it. And what comes after an event that is not set may wait for ever.
 */
#ifndef ACCELPOOL_ENDS_H
#define ACCELPOOL_ENDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct end {
    atomic_int references;
    atomic_bool is_over;
    bool is_set_here; /* by the application */
};

/* A set of them. */
struct ends {
    size_t count;
    struct end **list;
};

struct end *new_end(bool is_set_here); /* NULL without memory */
void release_end(struct end *end);     /* NULL is none */

/* Add what is not over; false without memory. */
bool add_end(struct ends *to, struct end *end);
bool add_ends(struct ends *to, const struct ends *from);
void drop_those_over(struct ends *ends);
void clear_ends(struct ends *ends);
/* Whether the bytes of all reads are here: a condition. */
bool have_arrived(void *ends);
/* Whether any is of an event that the application has not set. */
bool wait_for_application(const struct ends *ends);

#endif

#ifndef ACCELPOOL_SPANNING_USAGE_H
#define ACCELPOOL_SPANNING_USAGE_H

#include "replica.h"

/* Room for one more event, before the command is sent; false without memory. Where those of an out-of-order queue
 * have become many, a marker stands for them. */
bool reserve_usage(struct usage *usage, cl_command_queue queue);
void add_usage(struct usage *usage, cl_event event);
void forget_usage(struct usage *usage, cl_event event);
void clear_usage(struct usage *usage);
/* Forget those that are known here to be complete; those that failed too, where their failure is nobody's. */
void forget_ended(struct usage *usage, bool failed_too);
bool has_failed(const struct usage *usage); /* whether one of them is known here to have */
bool add_usage_waits(struct waits *waits, const struct usage *usage);

#endif

/* Content from session to session: the workers send it to each other, and it does not come by here. */
#ifndef ACCELPOOL_SPANNING_MIGRATION_H
#define ACCELPOOL_SPANNING_MIGRATION_H

#include "replica.h"

/* Have a locked whole's content sent from its owner to another part. */
cl_int migrate(struct spanning_mem *whole, cl_uint part);
void forget_transfer(cl_event *event);

#endif

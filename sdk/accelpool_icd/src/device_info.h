/* What the worker told of a device. */
#ifndef ACCELPOOL_DEVICE_INFO_H
#define ACCELPOOL_DEVICE_INFO_H

#include "objects.h"

bool find_info(cl_device_id device, cl_device_info name, struct reader *found);
uint64_t device_number(cl_device_id device, cl_device_info name); /* or whether; 0 if it was not told */
uint64_t host_timer_resolution(cl_device_id device); /* of its platform at the node; 0 if it has no such clock */
void keep_facts(cl_device_id device);                /* what is looked at often; once `info` is there */

#endif

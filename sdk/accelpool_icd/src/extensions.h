/* The extensions and the features of OpenCL C that this driver lets through, of a device or of all of a platform's.
 */
#ifndef ACCELPOOL_EXTENSIONS_H
#define ACCELPOOL_EXTENSIONS_H

#include "objects.h"

#define INFO_ROOM size_t room, void *value, size_t *size_ret

cl_name_version named_version(struct text name, cl_version version);

bool has_extension(cl_device_id device, const char *name); /* as the worker told */

/* Those that all the devices have, and the driver's own: as text, and with versions. */
cl_int give_extensions(cl_uint count, const cl_device_id *devices, INFO_ROOM);
cl_int give_extension_versions(cl_uint count, const cl_device_id *devices, INFO_ROOM);

/* Names that spaces are between, as a list of pointers to them; the names stay for good. */
cl_int give_names(struct text names, INFO_ROOM);

/* Whether a feature is no good without functions that this driver has not. */
bool is_missing_feature(struct text name);

/* What is to go before the sources of a context: it undefines the macros of such features, if a device has some. */
const char *lines_before_sources(cl_context context);

#endif

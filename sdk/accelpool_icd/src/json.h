/* JSON, as far as a lease file needs it: a place in a text, and how to get from an object or array to what is in it.
 */
#ifndef ACCELPOOL_JSON_H
#define ACCELPOOL_JSON_H

#include <stdbool.h>

/* A place where a value begins; NULL for none. All functions take NULL and give NULL, false or 0 then. */
typedef const char *json;

json json_parse(const char *text); /* NULL unless all of it is one value */
json json_member(json object, const char *name);
json json_first(json array);
json json_next(json element);
char *json_string(json value); /* allocated; NULL if it is none */
bool json_integer(json value, long *number);

#endif

/* Memory of this process at an address that another machine chose: what shared virtual memory stands on here. */
#ifndef ACCELPOOL_SVM_MIRROR_H
#define ACCELPOOL_SVM_MIRROR_H

#include <stddef.h>
#include <stdint.h>

/* Whether this process has addresses such as devices have. */
#define CAN_MIRROR (sizeof(void *) == 8)

enum mirrored { IS_MIRRORED, IS_TAKEN, IS_NO_ADDRESS, IS_NO_MEMORY };

size_t page_bytes(void);
size_t paged(size_t size); /* the bytes of the pages that so many bytes need */

/* Have zeroed memory at an address, in whole pages, where nothing of this process is or may come to be. */
enum mirrored map_mirror(uint64_t address, size_t size);
void unmap_mirror(void *memory, size_t size);

#endif

#include "ends.h"

#include <stdlib.h>

struct end *new_end(bool is_set_here) {
    struct end *end = calloc(1, sizeof *end);
    if (end) {
        end->references = 1;
        end->is_set_here = is_set_here;
    }
    return end;
}

void release_end(struct end *end) {
    if (end && atomic_fetch_sub(&end->references, 1) == 1) {
        free(end);
    }
}

static bool has(const struct ends *ends, const struct end *end) {
    for (size_t i = 0; i < ends->count; i++) {
        if (ends->list[i] == end) {
            return true;
        }
    }
    return false;
}

bool add_end(struct ends *to, struct end *end) {
    if (!end || end->is_over || has(to, end)) {
        return true;
    }
    struct end **grown = realloc(to->list, (to->count + 1) * sizeof *grown);
    if (!grown) {
        return false;
    }
    to->list = grown;
    to->list[to->count++] = end;
    atomic_fetch_add(&end->references, 1);
    return true;
}

bool add_ends(struct ends *to, const struct ends *from) {
    bool is_good = true;
    for (size_t i = 0; i < from->count; i++) {
        is_good = add_end(to, from->list[i]) && is_good;
    }
    return is_good;
}

void drop_those_over(struct ends *ends) {
    size_t kept = 0;
    for (size_t i = 0; i < ends->count; i++) {
        if (ends->list[i]->is_over) {
            release_end(ends->list[i]);
        } else {
            ends->list[kept++] = ends->list[i];
        }
    }
    ends->count = kept;
}

void clear_ends(struct ends *ends) {
    for (size_t i = 0; i < ends->count; i++) {
        release_end(ends->list[i]);
    }
    free(ends->list);
    *ends = (struct ends){0};
}

bool have_arrived(void *ends) {
    const struct ends *all = ends;
    for (size_t i = 0; i < all->count; i++) {
        if (!all->list[i]->is_set_here && !all->list[i]->is_over) {
            return false;
        }
    }
    return true;
}

bool wait_for_application(const struct ends *ends) {
    for (size_t i = 0; i < ends->count; i++) {
        if (ends->list[i]->is_set_here && !ends->list[i]->is_over) {
            return true;
        }
    }
    return false;
}

#include "lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { MOST_BYTES = 16 * 1024 * 1024, MOST_ENDPOINTS = 1024 };

static char *read_file(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file) {
        return NULL;
    }
    char *text = NULL;
    size_t length = 0, room = 0;
    for (;;) {
        if (room - length < 4096) {
            room = room ? 2 * room : 16 * 1024;
            char *grown = room <= MOST_BYTES ? realloc(text, room) : NULL;
            if (!grown) {
                break;
            }
            text = grown;
        }
        size_t count = fread(text + length, 1, room - length - 1, file);
        length += count;
        if (count == 0) {
            text[length] = '\0';
            fclose(file);
            return text;
        }
    }
    free(text);
    fclose(file);
    return NULL;
}

static void endpoint_free(struct endpoint *endpoint) {
    free(endpoint->node);
    free(endpoint->environment);
    free(endpoint->host);
    free(endpoint->token);
    free(endpoint->certificate);
}

static _Bool endpoint_read(struct endpoint *endpoint, json value) {
    endpoint->node = json_string(json_member(value, "node"));
    endpoint->environment = json_string(json_member(value, "environment"));
    endpoint->host = json_string(json_member(value, "host"));
    endpoint->token = json_string(json_member(value, "token"));
    endpoint->certificate = json_string(json_member(value, "certificate_sha256"));
    json tunnel = json_member(value, "tunnel_port");
    if (tunnel && !json_integer(tunnel, &endpoint->tunnel_port)) {
        return 0;
    }
    return endpoint->node && endpoint->host && endpoint->token &&
           json_integer(json_member(value, "port"), &endpoint->port);
}

_Bool lease_read(struct lease *lease) {
    *lease = (struct lease){0};
    const char *path = getenv("ACCELPOOL_LEASE_FILE");
    char *text = path && *path ? read_file(path) : NULL;
    json endpoints = text ? json_member(json_parse(text), "endpoints") : NULL;
    size_t count = 0;
    for (json element = json_first(endpoints); element && count < MOST_ENDPOINTS; element = json_next(element)) {
        count++;
    }
    lease->endpoints = count ? calloc(count, sizeof *lease->endpoints) : NULL;
    json element = json_first(endpoints);
    while (lease->endpoints && lease->count < count) {
        if (!endpoint_read(&lease->endpoints[lease->count++], element)) {
            lease_free(lease);
        }
        element = json_next(element);
    }
    free(text);
    return lease->count > 0;
}

void lease_free(struct lease *lease) {
    for (size_t i = 0; i < lease->count; i++) {
        endpoint_free(&lease->endpoints[i]);
    }
    free(lease->endpoints);
    *lease = (struct lease){0};
}

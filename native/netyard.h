/* Shared by the files of the addon: argument checks and the functions each file exports. */
#ifndef NETYARD_H
#define NETYARD_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A window of a Uint8Array (or another typed array): memory that is valid during the call. */
typedef struct {
  uint8_t *data;
  size_t length;
} ny_window;

/* Each returns false with a pending JavaScript exception when the argument does not fit. */
bool ny_int(napi_env env, napi_value value, int64_t *out);
/* For descriptors, flags and the like: what the kernel would cut off is refused. */
bool ny_int32(napi_env env, napi_value value, int *out);
bool ny_bytes(napi_env env, napi_value value, ny_window *out);
bool ny_window_of(napi_env env, const napi_value *three, ny_window *out);
bool ny_int32s(napi_env env, napi_value value, int32_t **data, size_t *count);
bool ny_args(napi_env env, napi_callback_info info, size_t want, napi_value *argv, void **data);
napi_value ny_number(napi_env env, int64_t value);
napi_value ny_result(napi_env env, long result);
void ny_method(napi_env env, napi_value object, const char *name, napi_callback callback, const void *data);

/* Whether setsockopt(2) or getsockopt(2) stays in its window with this option. */
bool ny_option_permitted(int level, int name);

/* Takes a place in the list before the child is made; then says its pid, or that there is none. */
bool ny_children_room(void);
void ny_children_started(int pid);

void ny_init_calls(napi_env env, napi_value exports);
void ny_init_ioctls(napi_env env, napi_value exports);
void ny_init_batches(napi_env env, napi_value exports);
void ny_init_messages(napi_env env, napi_value exports);
void ny_init_watcher(napi_env env, napi_value exports);
void ny_init_children(napi_env env, napi_value exports);
void ny_init_namespaces(napi_env env, napi_value exports);
void ny_init_memory(napi_env env, napi_value exports);
void ny_init_bpf(napi_env env, napi_value exports);
void ny_init_privileges(napi_env env, napi_value exports);
#endif

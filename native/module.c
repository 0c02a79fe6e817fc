/* The addon's entry: system calls for netyard's Node host, and no policy (README.md). */
#include "netyard.h"

#define ABI 4

napi_value ny_number(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

/* What syscall(2) gave: a count, or -errno. */
napi_value ny_result(napi_env env, long result) { return ny_number(env, result < 0 ? -errno : result); }

void ny_method(napi_env env, napi_value object, const char *name, napi_callback callback, const void *data) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, (void *)data, &function);
  napi_set_named_property(env, object, name, function);
}

NAPI_MODULE_INIT() {
  napi_set_named_property(env, exports, "abi", ny_number(env, ABI));
  ny_init_calls(env, exports);
  ny_init_ioctls(env, exports);
  ny_init_batches(env, exports);
  ny_init_messages(env, exports);
  ny_init_watcher(env, exports);
  ny_init_children(env, exports);
  ny_init_namespaces(env, exports);
  ny_init_memory(env, exports);
  ny_init_bpf(env, exports);
  ny_init_privileges(env, exports);
  return exports;
}

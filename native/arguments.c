/* Arguments from JavaScript, checked before any system call. */
#include "netyard.h"
#include <math.h>

static bool refuse(napi_env env, const char *text) {
  napi_throw_type_error(env, NULL, text);
  return false;
}

bool ny_args(napi_env env, napi_callback_info info, size_t want, napi_value *argv, void **data) {
  size_t count = want;
  if (napi_get_cb_info(env, info, &count, argv, NULL, data) != napi_ok || count < want)
    return refuse(env, "too few arguments");
  return true;
}

bool ny_int(napi_env env, napi_value value, int64_t *out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return refuse(env, "a number is wanted");
  if (!(number >= -9007199254740991.0 && number <= 9007199254740991.0) || number != floor(number))
    return refuse(env, "an integer is wanted");
  *out = (int64_t)number;
  return true;
}

bool ny_int32(napi_env env, napi_value value, int *out) {
  int64_t number;
  if (!ny_int(env, value, &number)) return false;
  if (number < INT32_MIN || number > UINT32_MAX) {
    napi_throw_range_error(env, NULL, "the number has more than 32 bits");
    return false;
  }
  *out = (int)number;
  return true;
}

bool ny_bytes(napi_env env, napi_value value, ny_window *out) {
  napi_typedarray_type type;
  size_t count;
  void *data;
  static const uint8_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  if (napi_get_typedarray_info(env, value, &type, &count, &data, NULL, NULL) != napi_ok)
    return refuse(env, "a typed array is wanted");
  if ((size_t)type >= sizeof sizes) return refuse(env, "a known typed array is wanted");
  out->data = data;
  out->length = data == NULL ? 0 : count * sizes[type];
  return true;
}

bool ny_window_of(napi_env env, const napi_value *three, ny_window *out) {
  ny_window whole;
  int64_t offset, length;
  if (!ny_bytes(env, three[0], &whole) || !ny_int(env, three[1], &offset) || !ny_int(env, three[2], &length))
    return false;
  if (offset < 0 || length < 0 || (uint64_t)offset > whole.length || (uint64_t)length > whole.length - (uint64_t)offset) {
    napi_throw_range_error(env, NULL, "the window is not inside the array");
    return false;
  }
  out->data = whole.data == NULL ? (uint8_t *)"" : whole.data + offset;
  out->length = (size_t)length;
  return true;
}

bool ny_int32s(napi_env env, napi_value value, int32_t **data, size_t *count) {
  napi_typedarray_type type;
  void *bytes;
  if (napi_get_typedarray_info(env, value, &type, count, &bytes, NULL, NULL) != napi_ok || type != napi_int32_array)
    return refuse(env, "an Int32Array is wanted");
  if (bytes == NULL) *count = 0;
  *data = bytes;
  return true;
}

/* The table of permitted ioctl(2)s: number, and the size of the structure it reads or writes. */
#include "netyard.h"
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

typedef struct {
  const char *name;
  unsigned long request;
  uint16_t size; /* 0: the argument is a number */
} row;

#define IFREQ 40
#define ROW(name, size) {#name, name, size}

static const row rows[] = {
    ROW(TUNSETIFF, IFREQ),       ROW(TUNGETIFF, IFREQ),        ROW(TUNSETQUEUE, IFREQ),     ROW(TUNGETFEATURES, 4),
    ROW(TUNSETOFFLOAD, 0),       ROW(TUNSETPERSIST, 0),        ROW(TUNSETOWNER, 0),         ROW(TUNSETGROUP, 0),
    ROW(TUNSETSNDBUF, 4),        ROW(TUNGETVNETHDRSZ, 4),      ROW(TUNSETVNETHDRSZ, 4),     ROW(TUNSETVNETLE, 4),
    ROW(TUNSETVNETBE, 4),        ROW(TUNSETCARRIER, 4),        ROW(SIOCGIFFLAGS, IFREQ),    ROW(SIOCSIFFLAGS, IFREQ),
    ROW(SIOCGIFINDEX, IFREQ),    ROW(SIOCGIFMTU, IFREQ),       ROW(SIOCSIFMTU, IFREQ),      ROW(SIOCGIFHWADDR, IFREQ),
    ROW(SIOCSIFHWADDR, IFREQ),   ROW(SIOCBRADDIF, IFREQ),      ROW(SIOCBRDELIF, IFREQ),     ROW(SIOCOUTQ, 4),
    ROW(SIOCINQ, 4),             ROW(SIOCATMARK, 4),
};

/* A kernel or header that changes a structure must not write past a window. */
_Static_assert(sizeof(int) == 4, "int is four bytes");

static napi_value run(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t count = 4;
  void *data;
  int64_t number;
  int fd;
  if (napi_get_cb_info(env, info, &count, argv, NULL, &data) != napi_ok) return NULL;
  const row *r = data;
  if (count < (r->size == 0 ? 2u : 4u)) {
    napi_throw_type_error(env, NULL, "too few arguments");
    return NULL;
  }
  if (!ny_int32(env, argv[0], &fd)) return NULL;
  if (r->size == 0) {
    if (!ny_int(env, argv[1], &number)) return NULL;
    return ny_result(env, ioctl(fd, r->request, (unsigned long)number));
  }
  ny_window w;
  if (!ny_window_of(env, argv + 1, &w)) return NULL;
  if (w.length != r->size) {
    napi_throw_range_error(env, NULL, "the window has not the structure's size");
    return NULL;
  }
  return ny_result(env, ioctl(fd, r->request, w.data));
}

void ny_init_ioctls(napi_env env, napi_value exports) {
  napi_value ioctls;
  napi_create_object(env, &ioctls);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) ny_method(env, ioctls, rows[i].name, run, &rows[i]);
  napi_set_named_property(env, exports, "ioctls", ioctls);
}

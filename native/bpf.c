/*
 * bpf(2): the commands that maps and programs of netyard need. Pointers go into the fields below and nowhere else; what the
 * kernel reads or writes behind them is checked against the windows, with the sizes the kernel itself knows of the map.
 */
#include "netyard.h"
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_POINTERS 3
#define OFFSET(field) ((int)offsetof(union bpf_attr, field))

typedef struct {
  int command;
  int length;                  /* of what may be given of the attributes: behind it come pointers that are not permitted */
  int pointers[MOST_POINTERS]; /* offsets; 0 ends them */
} row;

static const row rows[] = {
    {BPF_MAP_CREATE, OFFSET(btf_fd), {0}},
    {BPF_MAP_LOOKUP_ELEM, OFFSET(flags) + 8, {OFFSET(key), OFFSET(value)}},
    {BPF_MAP_UPDATE_ELEM, OFFSET(flags) + 8, {OFFSET(key), OFFSET(value)}},
    {BPF_MAP_DELETE_ELEM, OFFSET(flags) + 8, {OFFSET(key)}},
    {BPF_PROG_LOAD, OFFSET(prog_btf_fd), {OFFSET(insns), OFFSET(license), OFFSET(log_buf)}},
    {BPF_LINK_CREATE, OFFSET(link_create.flags) + 4, {0}},
};

static long bpf(int command, union bpf_attr *attr, size_t length) { return syscall(SYS_bpf, command, attr, length); }

/* Values of per-CPU maps are as many as there are CPUs: not offered. */
static bool per_cpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
         type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

/* 0, -errno, or 1 when a window is too small. */
static long check_element(const union bpf_attr *attr, const ny_window *windows) {
  struct bpf_map_info map = {0};
  union bpf_attr ask = {.info = {.bpf_fd = attr->map_fd, .info_len = sizeof map, .info = (uint64_t)(uintptr_t)&map}};
  if (bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask.info) < 0) return -errno;
  if (per_cpu(map.type)) return -EOPNOTSUPP;
  return (windows[0].data != NULL && windows[0].length < map.key_size) ||
         (windows[1].data != NULL && windows[1].length < map.value_size);
}

static bool check_program(const union bpf_attr *attr, const ny_window *windows) {
  return windows[0].length / 8 >= attr->insn_cnt &&
         (windows[1].data == NULL || memchr(windows[1].data, 0, windows[1].length) != NULL) &&
         windows[2].length >= attr->log_size;
}

/* pointers: [offset, window, offset, window, ...] */
static bool fill(napi_env env, const row *r, napi_value list, union bpf_attr *attr, ny_window *windows) {
  uint32_t count;
  napi_value values[2 * MOST_POINTERS];
  if (napi_get_array_length(env, list, &count) != napi_ok || count % 2 != 0 || count > 2 * MOST_POINTERS) return false;
  /* An accessor may run here and take arrays away: no window is looked at before all are there. */
  for (uint32_t i = 0; i < count; i++)
    if (napi_get_element(env, list, i, &values[i]) != napi_ok) return false;
  for (uint32_t i = 0; i < count; i += 2) {
    int offset, n = 0;
    if (!ny_int32(env, values[i], &offset)) return false;
    while (n < MOST_POINTERS && (r->pointers[n] != offset || offset == 0)) n++;
    if (n == MOST_POINTERS || !ny_bytes(env, values[i + 1], &windows[n])) return false;
  }
  for (int n = 0; n < MOST_POINTERS && r->pointers[n] != 0; n++) {
    uint64_t address = (uint64_t)(uintptr_t)windows[n].data;
    memcpy((char *)attr + r->pointers[n], &address, sizeof address);
  }
  return true;
}

static napi_value refuse(napi_env env, const char *text) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_range_error(env, NULL, text);
  return NULL;
}

static napi_value call_bpf(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int command;
  ny_window given, windows[MOST_POINTERS] = {{0}};
  if (!ny_args(env, info, 3, argv, NULL) || !ny_int32(env, argv[0], &command) || !ny_bytes(env, argv[1], &given)) return NULL;
  const row *r = NULL;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].command == command) r = &rows[i];
  if (r == NULL) return ny_number(env, -EPERM);
  if (given.length > (size_t)r->length) return refuse(env, "attributes that are not permitted");
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  if (given.length > 0) memcpy(&attr, given.data, given.length);
  if (!fill(env, r, argv[2], &attr, windows)) return refuse(env, "pointers that are not permitted");
  if (command == BPF_PROG_LOAD && !check_program(&attr, windows)) return refuse(env, "a window is too small");
  if (command == BPF_MAP_LOOKUP_ELEM || command == BPF_MAP_UPDATE_ELEM || command == BPF_MAP_DELETE_ELEM) {
    long result = check_element(&attr, windows);
    if (result < 0) return ny_number(env, result);
    if (result > 0) return refuse(env, "a window is too small");
  }
  return ny_result(env, bpf(command, &attr, (size_t)r->length));
}

void ny_init_bpf(napi_env env, napi_value exports) { ny_method(env, exports, "bpf", call_bpf, NULL); }

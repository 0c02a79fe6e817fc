/*
 * Memory shared with others: mmap(2) as ArrayBuffers, and copies between them. Whoever shares a file can truncate it under
 * us; the SIGBUS of touching what is gone gets a page of zeros instead of ending the process, and a mark.
 */
#include "netyard.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 1024
#define PAGE_2M ((uintptr_t)2 << 20)
#define PERMITTED (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE | MAP_LOCKED | MAP_HUGETLB)

/* Never freed: the handler reads it without a lock, and a finalizer that comes late finds another generation. */
static struct {
  atomic_uintptr_t start;
  atomic_size_t length;
  atomic_bool used, truncated;
  uint32_t generation;
} regions[MOST];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static bool guarded;
static uintptr_t page;

static bool replace(uintptr_t at, uintptr_t size) {
  uintptr_t start = at & ~(size - 1);
  return syscall(SYS_mmap, start, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L) != -1;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
  (void)context;
  int error = errno;
  uintptr_t at = (uintptr_t)info->si_addr;
  for (size_t i = 0; info->si_code > 0 && i < MOST; i++) {
    if (!atomic_load(&regions[i].used)) continue;
    uintptr_t start = atomic_load(&regions[i].start);
    if (at < start || at - start >= atomic_load(&regions[i].length)) continue;
    /* A mapping of huge pages can be replaced by the huge page only. */
    if (!replace(at, page) && !replace(at, PAGE_2M)) break;
    atomic_store(&regions[i].truncated, true);
    errno = error;
    return;
  }
  sigaction(number, &before, NULL);
  if (info->si_code <= 0) raise(number);
  errno = error;
}

static void guard(void) {
  if (guarded) return;
  page = (uintptr_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  guarded = sigaction(SIGBUS, &action, &before) == 0;
}

static int claim(void *start, size_t length) {
  int found = -1;
  pthread_mutex_lock(&lock);
  guard();
  for (int i = 0; i < MOST && found < 0 && guarded; i++)
    if (!atomic_load(&regions[i].used)) found = i;
  if (found >= 0) {
    atomic_store(&regions[found].start, (uintptr_t)start);
    atomic_store(&regions[found].length, length);
    atomic_store(&regions[found].truncated, false);
    regions[found].generation++;
    atomic_store(&regions[found].used, true);
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static void *key_of(int index) { return (void *)(((uintptr_t)regions[index].generation << 16) | (uintptr_t)index); }

/* Once: the buffer's finalizer comes after unmap as well, and after a failed creation. */
static long release(void *key) {
  long result = 0;
  size_t i = (uintptr_t)key & 0xffff;
  pthread_mutex_lock(&lock);
  if (i < MOST && atomic_load(&regions[i].used) && key_of((int)i) == key) {
    atomic_store(&regions[i].used, false);
    result = munmap((void *)atomic_load(&regions[i].start), atomic_load(&regions[i].length));
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  release(hint);
}

/* Its index, or -1 for an array buffer that is not one of ours. */
static int find(napi_env env, napi_value buffer) {
  void *data = NULL;
  size_t length;
  bool is = false;
  if (napi_is_arraybuffer(env, buffer, &is) != napi_ok || !is) {
    napi_throw_type_error(env, NULL, "an ArrayBuffer is wanted");
    return -1;
  }
  napi_get_arraybuffer_info(env, buffer, &data, &length);
  for (int i = 0; i < MOST && data != NULL; i++)
    if (atomic_load(&regions[i].used) && atomic_load(&regions[i].start) == (uintptr_t)data) return i;
  return -1;
}

/* Read and write both: a store from JavaScript into what cannot be written would end the process. */
static napi_value map(napi_env env, napi_callback_info info) {
  napi_value argv[5], buffer;
  int64_t length, offset;
  int fd, protection, flags;
  if (!ny_args(env, info, 5, argv, NULL) || !ny_int32(env, argv[0], &fd) || !ny_int(env, argv[1], &length) ||
      !ny_int32(env, argv[2], &protection) || !ny_int32(env, argv[3], &flags) || !ny_int(env, argv[4], &offset))
    return NULL;
  if ((flags & (MAP_SHARED | MAP_PRIVATE)) == 0) flags |= MAP_SHARED;
  if (length <= 0 || offset < 0 || protection != (PROT_READ | PROT_WRITE) || (flags & ~PERMITTED) != 0)
    return ny_number(env, -EINVAL);
  void *start = mmap(NULL, (size_t)length, protection, flags, fd, (off_t)offset);
  if (start == MAP_FAILED) return ny_number(env, -errno);
  int index = claim(start, (size_t)length);
  if (index < 0) {
    munmap(start, (size_t)length);
    return ny_number(env, -ENOMEM);
  }
  void *key = key_of(index);
  if (napi_create_external_arraybuffer(env, start, (size_t)length, on_collected, key, &buffer) == napi_ok) return buffer;
  napi_value error;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) napi_get_and_clear_last_exception(env, &error);
  release(key);
  return ny_number(env, -ENOMEM);
}

static napi_value unmap(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  if (!ny_args(env, info, 1, argv, NULL)) return NULL;
  int index = find(env, argv[0]);
  if (index < 0) return ny_number(env, -EINVAL);
  void *key = key_of(index);
  if (napi_detach_arraybuffer(env, argv[0]) != napi_ok) return ny_number(env, -EBUSY);
  return ny_result(env, release(key));
}

static napi_value was_truncated(napi_env env, napi_callback_info info) {
  napi_value argv[1], result;
  if (!ny_args(env, info, 1, argv, NULL)) return NULL;
  int index = find(env, argv[0]);
  napi_get_boolean(env, index >= 0 && atomic_load(&regions[index].truncated), &result);
  return result;
}

static bool within(const ny_window *w, uint32_t at, uint32_t length) { return at <= w->length && length <= w->length - at; }

static napi_value copy_batch(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  ny_window to, from;
  napi_typedarray_type type;
  size_t room;
  int64_t count;
  void *data;
  if (!ny_args(env, info, 4, argv, NULL) || !ny_bytes(env, argv[0], &to) || !ny_bytes(env, argv[1], &from) ||
      !ny_int(env, argv[3], &count))
    return NULL;
  if (napi_get_typedarray_info(env, argv[2], &type, &room, &data, NULL, NULL) != napi_ok ||
      (type != napi_int32_array && type != napi_uint32_array)) {
    napi_throw_type_error(env, NULL, "an Int32Array or Uint32Array is wanted");
    return NULL;
  }
  bool fits = count >= 0 && (data == NULL ? count == 0 : (uint64_t)count <= room / 3);
  const volatile uint32_t *copies = data;
  for (int64_t i = 0; fits && i < count; i++)
    fits = within(&from, copies[3 * i], copies[3 * i + 2]) && within(&to, copies[3 * i + 1], copies[3 * i + 2]);
  if (!fits) {
    napi_throw_range_error(env, NULL, "a copy is not inside the arrays");
    return NULL;
  }
  for (int64_t i = 0; i < count; i++) {
    /* Read once more, for the numbers may lie in memory that others write. */
    uint32_t source = copies[3 * i], target = copies[3 * i + 1], length = copies[3 * i + 2];
    if (length > 0 && within(&from, source, length) && within(&to, target, length))
      memmove(to.data + target, from.data + source, length);
  }
  return ny_number(env, count);
}

void ny_init_memory(napi_env env, napi_value exports) {
  ny_method(env, exports, "map", map, NULL);
  ny_method(env, exports, "unmap", unmap, NULL);
  ny_method(env, exports, "wasTruncated", was_truncated, NULL);
  ny_method(env, exports, "copyBatch", copy_batch, NULL);
}

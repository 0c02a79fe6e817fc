/*
 * Many datagrams per system call, over one arena and parallel arrays (binding.ts, NativeBatch). UDP datagrams of one
 * length to one address, one after the other, are one message that the kernel cuts (UDP_SEGMENT, udp(7)): most of what a
 * datagram costs is its way through the kernel's layers.
 */
#include "netyard.h"
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#define MOST 64
#define STRIDE 128
#define CONTROL 128
/* Of a message that the kernel cuts. */
#define MOST_SEGMENTED 65000
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

typedef struct {
  ny_window bytes, addresses, locals, ttl, tos; /* locals.data NULL: not wanted */
  int32_t *offset, *length, *address_length;
  size_t capacity;
} arrays;

/* Of the datagrams of one call: read once, for the arrays may lie in memory that others write. */
typedef struct {
  struct iovec window[MOST];
  uint8_t *address[MOST];
  const uint8_t *local[MOST]; /* NULL: the kernel chooses */
  int32_t names[MOST]; /* lengths of the addresses */
  uint8_t ttl[MOST], tos[MOST];
  size_t count;
} batch;

/* An accessor may run here and take arrays away: no array is looked at before all are there. */
static bool read_arrays(napi_env env, napi_value object, arrays *a) {
  static const char *const names[] = {"bytes", "offset", "length", "addressLength", "addresses", "ttl", "tos", "locals"};
  enum { COUNT = sizeof names / sizeof *names };
  napi_value v[COUNT];
  napi_valuetype type;
  size_t lengths, name_lengths;
  for (size_t i = 0; i < COUNT; i++)
    if (napi_get_named_property(env, object, names[i], &v[i]) != napi_ok) return false;
  a->locals = (ny_window){NULL, 0};
  if (napi_typeof(env, v[7], &type) != napi_ok || (type != napi_undefined && !ny_bytes(env, v[7], &a->locals))) return false;
  if (!ny_bytes(env, v[0], &a->bytes) || !ny_int32s(env, v[1], &a->offset, &a->capacity) ||
      !ny_int32s(env, v[2], &a->length, &lengths) || !ny_int32s(env, v[3], &a->address_length, &name_lengths) ||
      !ny_bytes(env, v[4], &a->addresses) || !ny_bytes(env, v[5], &a->ttl) || !ny_bytes(env, v[6], &a->tos))
    return false;
  if (lengths < a->capacity || name_lengths < a->capacity || a->ttl.length < a->capacity || a->tos.length < a->capacity ||
      a->addresses.length / STRIDE < a->capacity || (a->locals.data != NULL && a->locals.length / STRIDE < a->capacity)) {
    napi_throw_range_error(env, NULL, "the batch's arrays differ in length");
    return false;
  }
  return true;
}

static bool outside(napi_env env) {
  napi_throw_range_error(env, NULL, "a datagram's window is not inside the arena");
  return false;
}

static void append(struct msghdr *message, int level, int type, const void *value, size_t size) {
  struct cmsghdr *c = (struct cmsghdr *)((char *)message->msg_control + message->msg_controllen);
  memset(c, 0, CMSG_SPACE(size));
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(c), value, size);
  message->msg_controllen += CMSG_SPACE(size);
}

/* Whether a datagram leaves from an address of ours that is said; it may lie anywhere. */
static bool has_local(const uint8_t *local, sa_family_t family) {
  if (local == NULL) return false;
  sa_family_t is;
  memcpy(&is, local + offsetof(struct sockaddr, sa_family), sizeof is);
  return is == family;
}

static bool same_local(const batch *b, size_t i, size_t j) {
  return b->local[i] == NULL || memcmp(b->local[i], b->local[j], sizeof(struct sockaddr_in6)) == 0;
}

static void append_local(struct msghdr *m, const uint8_t *local, bool v6) {
  if (v6) {
    struct sockaddr_in6 from;
    memcpy(&from, local, sizeof from);
    struct in6_pktinfo info = {.ipi6_addr = from.sin6_addr, .ipi6_ifindex = from.sin6_scope_id};
    append(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  } else {
    struct sockaddr_in from;
    memcpy(&from, local, sizeof from);
    struct in_pktinfo info = {.ipi_spec_dst = from.sin_addr};
    append(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  }
}

typedef struct {
  struct mmsghdr messages[MOST];
  _Alignas(struct cmsghdr) char control[MOST][CONTROL];
  int datagrams[MOST]; /* of each message */
} outgoing;

/* At most MOST datagrams from `first` on. */
static bool take(napi_env env, const arrays *a, size_t first, size_t count, batch *b) {
  b->count = count > MOST ? MOST : count;
  for (size_t i = 0; i < b->count; i++) {
    size_t at = first + i;
    int32_t offset = ((volatile int32_t *)a->offset)[at], length = ((volatile int32_t *)a->length)[at];
    if (offset < 0 || length < 0 || (size_t)offset > a->bytes.length || (size_t)length > a->bytes.length - (size_t)offset)
      return outside(env);
    b->window[i] = (struct iovec){a->bytes.data + offset, (size_t)length};
    b->address[i] = a->addresses.data + at * STRIDE;
  }
  return true;
}

/* What is sent along with each. */
static bool take_outgoing(napi_env env, const arrays *a, size_t first, size_t count, batch *b) {
  if (!take(env, a, first, count, b)) return false;
  for (size_t i = 0; i < b->count; i++) {
    b->names[i] = ((volatile int32_t *)a->address_length)[first + i];
    if (b->names[i] < 0 || b->names[i] > STRIDE) return outside(env);
    b->ttl[i] = a->ttl.data[first + i];
    b->tos[i] = a->tos.data[first + i];
    b->local[i] = a->locals.data == NULL ? NULL : a->locals.data + (first + i) * STRIDE;
  }
  return true;
}

/* Whether `next` may follow `first` in a message that is cut every so many bytes as `first` has: only the last may be
 * shorter. */
static bool follows(const batch *b, size_t first, size_t next) {
  size_t cut = b->window[first].iov_len, length = b->window[next].iov_len;
  return b->window[next - 1].iov_len == cut && length > 0 && length <= cut && b->names[next] == b->names[first] &&
         b->ttl[next] == b->ttl[first] && b->tos[next] == b->tos[first] && same_local(b, first, next) &&
         memcmp(b->address[next], b->address[first], (size_t)b->names[first]) == 0;
}

/* How many of the datagrams from `first` on one message takes. */
static size_t run_of(const batch *b, size_t first) {
  size_t total = b->window[first].iov_len, next = first + 1;
  for (; next < b->count && follows(b, first, next); next++) {
    total += b->window[next].iov_len;
    if (total > MOST_SEGMENTED) break;
  }
  return next - first;
}

/* Fills in messages for all datagrams. Returns how many messages. */
static unsigned compose(batch *b, bool v6, bool runs, outgoing *out) {
  unsigned count = 0;
  for (size_t i = 0; i < b->count; count++) {
    struct msghdr *m = &out->messages[count].msg_hdr;
    memset(&out->messages[count], 0, sizeof out->messages[count]);
    size_t run = runs ? run_of(b, i) : 1;
    m->msg_iov = &b->window[i];
    m->msg_iovlen = run;
    out->datagrams[count] = (int)run;
    if (b->names[i] > 0) {
      m->msg_name = b->address[i];
      m->msg_namelen = (socklen_t)b->names[i];
    }
    m->msg_control = out->control[count];
    int ttl = b->ttl[i], tos = b->tos[i];
    if (ttl != 0) append(m, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_HOPLIMIT : IP_TTL, &ttl, sizeof ttl);
    if (tos != 0) append(m, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof tos);
    if (has_local(b->local[i], v6 ? AF_INET6 : AF_INET)) append_local(m, b->local[i], v6);
    uint16_t size = (uint16_t)b->window[i].iov_len;
    if (run > 1) append(m, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    if (m->msg_controllen == 0) m->msg_control = NULL;
    i += run;
  }
  return count;
}

/* Only a UDP socket, of a kernel that cuts, knows this option. */
static bool cuts(int fd) {
  int size;
  socklen_t length = sizeof size;
  return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, &length) == 0;
}

static napi_value send_batch(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  int64_t from, count;
  int fd, flags, family;
  arrays a;
  batch b;
  if (!ny_args(env, info, 6, argv, NULL) || !ny_int32(env, argv[0], &fd) || !ny_int(env, argv[2], &from) ||
      !ny_int(env, argv[3], &count) || !ny_int32(env, argv[4], &flags) || !ny_int32(env, argv[5], &family) ||
      !read_arrays(env, argv[1], &a))
    return NULL;
  if (from < 0 || count < 0 || (uint64_t)from > a.capacity || (uint64_t)count > a.capacity - (uint64_t)from) {
    outside(env);
    return NULL;
  }
  if (!take_outgoing(env, &a, (size_t)from, (size_t)count, &b)) return NULL;
  outgoing out;
  bool v6 = family == AF_INET6;
  bool runs = b.count > 1 && (v6 || family == AF_INET) && cuts(fd);
  unsigned messages = compose(&b, v6, runs, &out);
  int sent = sendmmsg(fd, out.messages, messages, flags);
  /* A device or a path that does not cut: one by one. */
  if (sent < 0 && out.datagrams[0] > 1 && (errno == EIO || errno == EINVAL || errno == EMSGSIZE)) {
    messages = compose(&b, v6, false, &out);
    sent = sendmmsg(fd, out.messages, messages, flags);
  }
  if (sent < 0) return ny_result(env, sent);
  int datagrams = 0;
  for (int i = 0; i < sent; i++) datagrams += out.datagrams[i];
  return ny_number(env, datagrams);
}

/* The address of ours that a datagram came to (IP_PKTINFO), as a sockaddr without a port. */
static void note_local(arrays *a, size_t i, const struct cmsghdr *c) {
  if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = info.ipi_spec_dst};
    memcpy(a->locals.data + i * STRIDE, &to, sizeof to);
  } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr};
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) to.sin6_scope_id = info.ipi6_ifindex;
    memcpy(a->locals.data + i * STRIDE, &to, sizeof to);
  }
}

static void note_control(arrays *a, size_t i, struct msghdr *m) {
  a->ttl.data[i] = a->tos.data[i] = 0;
  if (a->locals.data != NULL) memset(a->locals.data + i * STRIDE, 0, sizeof(struct sockaddr_in6));
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    int value = 0;
    size_t size = c->cmsg_len - CMSG_LEN(0);
    memcpy(&value, CMSG_DATA(c), size < sizeof value ? size : sizeof value);
    bool v6 = c->cmsg_level == IPPROTO_IPV6;
    if ((v6 && c->cmsg_type == IPV6_HOPLIMIT) || (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL))
      a->ttl.data[i] = (uint8_t)value;
    if ((v6 && c->cmsg_type == IPV6_TCLASS) || (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS))
      a->tos.data[i] = (uint8_t)value;
    if (a->locals.data != NULL) note_local(a, i, c);
  }
}

static napi_value receive_batch(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int64_t count;
  int fd, flags, family;
  arrays a;
  batch b;
  if (!ny_args(env, info, 5, argv, NULL) || !ny_int32(env, argv[0], &fd) || !ny_int(env, argv[2], &count) ||
      !ny_int32(env, argv[3], &flags) || !ny_int32(env, argv[4], &family) || !read_arrays(env, argv[1], &a))
    return NULL;
  if (count < 0 || (uint64_t)count > a.capacity) {
    outside(env);
    return NULL;
  }
  if (!take(env, &a, 0, (size_t)count, &b)) return NULL;
  struct mmsghdr messages[MOST];
  _Alignas(struct cmsghdr) char control[MOST][CONTROL];
  memset(messages, 0, sizeof(struct mmsghdr) * b.count);
  for (size_t i = 0; i < b.count; i++) {
    struct msghdr *m = &messages[i].msg_hdr;
    m->msg_iov = &b.window[i];
    m->msg_iovlen = 1;
    m->msg_name = b.address[i];
    m->msg_namelen = STRIDE;
    /* Without room for them the descriptors that a unix peer may pass never become ours. */
    if (family != AF_INET && family != AF_INET6) continue;
    m->msg_control = control[i];
    m->msg_controllen = CONTROL;
  }
  int got = recvmmsg(fd, messages, (unsigned)b.count, flags | MSG_TRUNC | MSG_CMSG_CLOEXEC, NULL);
  int error = errno;
  for (int i = 0; i < got; i++) {
    a.length[i] = (int32_t)messages[i].msg_len;
    socklen_t length = messages[i].msg_hdr.msg_namelen;
    a.address_length[i] = (int32_t)(length > STRIDE ? STRIDE : length);
    note_control(&a, (size_t)i, &messages[i].msg_hdr);
  }
  errno = error;
  return ny_result(env, got);
}

void ny_init_batches(napi_env env, napi_value exports) {
  ny_method(env, exports, "sendBatch", send_batch, NULL);
  ny_method(env, exports, "receiveBatch", receive_batch, NULL);
}

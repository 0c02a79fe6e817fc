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
} batch;

static bool property(napi_env env, napi_value object, const char *name, napi_value *out) {
  return napi_get_named_property(env, object, name, out) == napi_ok;
}

static bool read_batch(napi_env env, napi_value object, batch *b) {
  napi_value v;
  size_t lengths, names;
  if (!property(env, object, "bytes", &v) || !ny_bytes(env, v, &b->bytes)) return false;
  if (!property(env, object, "offset", &v) || !ny_int32s(env, v, &b->offset, &b->capacity)) return false;
  if (!property(env, object, "length", &v) || !ny_int32s(env, v, &b->length, &lengths)) return false;
  if (!property(env, object, "addressLength", &v) || !ny_int32s(env, v, &b->address_length, &names)) return false;
  if (!property(env, object, "addresses", &v) || !ny_bytes(env, v, &b->addresses)) return false;
  if (!property(env, object, "ttl", &v) || !ny_bytes(env, v, &b->ttl)) return false;
  if (!property(env, object, "tos", &v) || !ny_bytes(env, v, &b->tos)) return false;
  napi_valuetype type;
  b->locals = (ny_window){NULL, 0};
  if (!property(env, object, "locals", &v) || napi_typeof(env, v, &type) != napi_ok) return false;
  if (type != napi_undefined && !ny_bytes(env, v, &b->locals)) return false;
  if (lengths < b->capacity || names < b->capacity || b->ttl.length < b->capacity || b->tos.length < b->capacity ||
      b->addresses.length / STRIDE < b->capacity ||
      (b->locals.data != NULL && b->locals.length / STRIDE < b->capacity)) {
    napi_throw_range_error(env, NULL, "the batch's arrays differ in length");
    return false;
  }
  return true;
}

static bool inside(const batch *b, size_t i) {
  return b->offset[i] >= 0 && b->length[i] >= 0 && (size_t)b->offset[i] <= b->bytes.length &&
         (size_t)b->length[i] <= b->bytes.length - (size_t)b->offset[i];
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

/* Whether datagram `i` leaves from an address of ours that is said; it may lie anywhere. */
static bool has_local(const batch *b, size_t i, sa_family_t family) {
  if (b->locals.data == NULL) return false;
  sa_family_t is;
  memcpy(&is, b->locals.data + i * STRIDE + offsetof(struct sockaddr, sa_family), sizeof is);
  return is == family;
}

static bool same_local(const batch *b, size_t i, size_t j) {
  return b->locals.data == NULL ||
         memcmp(b->locals.data + i * STRIDE, b->locals.data + j * STRIDE, sizeof(struct sockaddr_in6)) == 0;
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
  struct iovec iov[MOST];
  _Alignas(struct cmsghdr) char control[MOST][CONTROL];
  int datagrams[MOST]; /* of each message */
} outgoing;

/* Whether `next` may follow `first` in a message that is cut every length[first] bytes: only the last may be shorter. */
static bool follows(const batch *b, size_t first, size_t next) {
  int32_t names = b->address_length[first];
  return b->length[next - 1] == b->length[first] && b->length[next] > 0 && b->length[next] <= b->length[first] &&
         b->address_length[next] == names && b->ttl.data[next] == b->ttl.data[first] &&
         b->tos.data[next] == b->tos.data[first] && same_local(b, first, next) &&
         memcmp(b->addresses.data + next * STRIDE, b->addresses.data + first * STRIDE, (size_t)names) == 0;
}

/* Of the datagrams from `first` to `end`, how many one message takes. */
static size_t run_of(const batch *b, size_t first, size_t end) {
  int64_t total = b->length[first];
  size_t next = first + 1;
  for (; next < end && follows(b, first, next); next++) {
    total += b->length[next];
    if (total > MOST_SEGMENTED) break;
  }
  return next - first;
}

/* Fills in messages for the datagrams from `first` to `end`, which are inside. Returns how many messages. */
static unsigned compose(const batch *b, size_t first, size_t end, bool v6, bool runs, outgoing *out) {
  unsigned count = 0;
  struct iovec *iov = out->iov;
  for (size_t i = first; i < end; count++) {
    struct msghdr *m = &out->messages[count].msg_hdr;
    memset(&out->messages[count], 0, sizeof out->messages[count]);
    size_t run = runs ? run_of(b, i, end) : 1;
    m->msg_iov = iov;
    m->msg_iovlen = run;
    out->datagrams[count] = (int)run;
    if (b->address_length[i] > 0) {
      m->msg_name = b->addresses.data + i * STRIDE;
      m->msg_namelen = (socklen_t)b->address_length[i];
    }
    m->msg_control = out->control[count];
    int ttl = b->ttl.data[i], tos = b->tos.data[i];
    if (ttl != 0) append(m, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_HOPLIMIT : IP_TTL, &ttl, sizeof ttl);
    if (tos != 0) append(m, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof tos);
    if (has_local(b, i, v6 ? AF_INET6 : AF_INET)) append_local(m, b->locals.data + i * STRIDE, v6);
    uint16_t size = (uint16_t)b->length[i];
    if (run > 1) append(m, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    if (m->msg_controllen == 0) m->msg_control = NULL;
    for (; run > 0; run--, i++, iov++) *iov = (struct iovec){b->bytes.data + b->offset[i], (size_t)b->length[i]};
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
  batch b;
  if (!ny_args(env, info, 6, argv, NULL) || !ny_int32(env, argv[0], &fd) || !read_batch(env, argv[1], &b) ||
      !ny_int(env, argv[2], &from) || !ny_int(env, argv[3], &count) || !ny_int32(env, argv[4], &flags) ||
      !ny_int32(env, argv[5], &family))
    return NULL;
  if (from < 0 || count < 0 || (uint64_t)from > b.capacity || (uint64_t)count > b.capacity - (uint64_t)from) {
    outside(env);
    return NULL;
  }
  if (count > MOST) count = MOST;
  size_t first = (size_t)from, end = first + (size_t)count;
  for (size_t i = first; i < end; i++) {
    if (!inside(&b, i) || b.address_length[i] < 0 || b.address_length[i] > STRIDE) {
      outside(env);
      return NULL;
    }
  }
  outgoing out;
  bool v6 = family == AF_INET6;
  bool runs = count > 1 && (v6 || family == AF_INET) && cuts(fd);
  unsigned messages = compose(&b, first, end, v6, runs, &out);
  int sent = sendmmsg(fd, out.messages, messages, flags);
  /* A device or a path that does not cut: one by one. */
  if (sent < 0 && out.datagrams[0] > 1 && (errno == EIO || errno == EINVAL || errno == EMSGSIZE)) {
    messages = compose(&b, first, end, v6, false, &out);
    sent = sendmmsg(fd, out.messages, messages, flags);
  }
  if (sent < 0) return ny_result(env, sent);
  int datagrams = 0;
  for (int i = 0; i < sent; i++) datagrams += out.datagrams[i];
  return ny_number(env, datagrams);
}

/* The address of ours that a datagram came to (IP_PKTINFO), as a sockaddr without a port. */
static void note_local(batch *b, size_t i, const struct cmsghdr *c) {
  if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = info.ipi_spec_dst};
    memcpy(b->locals.data + i * STRIDE, &to, sizeof to);
  } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr};
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) to.sin6_scope_id = info.ipi6_ifindex;
    memcpy(b->locals.data + i * STRIDE, &to, sizeof to);
  }
}

static void note_control(batch *b, size_t i, struct msghdr *m) {
  b->ttl.data[i] = b->tos.data[i] = 0;
  if (b->locals.data != NULL) memset(b->locals.data + i * STRIDE, 0, sizeof(struct sockaddr_in6));
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    int value = 0;
    size_t size = c->cmsg_len - CMSG_LEN(0);
    memcpy(&value, CMSG_DATA(c), size < sizeof value ? size : sizeof value);
    bool v6 = c->cmsg_level == IPPROTO_IPV6;
    if ((v6 && c->cmsg_type == IPV6_HOPLIMIT) || (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL))
      b->ttl.data[i] = (uint8_t)value;
    if ((v6 && c->cmsg_type == IPV6_TCLASS) || (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS))
      b->tos.data[i] = (uint8_t)value;
    if (b->locals.data != NULL) note_local(b, i, c);
  }
}

static napi_value receive_batch(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int64_t count;
  int fd, flags, family;
  batch b;
  if (!ny_args(env, info, 5, argv, NULL) || !ny_int32(env, argv[0], &fd) || !read_batch(env, argv[1], &b) ||
      !ny_int(env, argv[2], &count) || !ny_int32(env, argv[3], &flags) || !ny_int32(env, argv[4], &family))
    return NULL;
  if (count < 0 || (uint64_t)count > b.capacity) {
    outside(env);
    return NULL;
  }
  if (count > MOST) count = MOST;
  struct mmsghdr messages[MOST];
  struct iovec iov[MOST];
  _Alignas(struct cmsghdr) char control[MOST][CONTROL];
  memset(messages, 0, sizeof(struct mmsghdr) * (size_t)count);
  for (size_t i = 0; i < (size_t)count; i++) {
    struct msghdr *m = &messages[i].msg_hdr;
    if (!inside(&b, i)) {
      outside(env);
      return NULL;
    }
    iov[i].iov_base = b.bytes.data + b.offset[i];
    iov[i].iov_len = (size_t)b.length[i];
    m->msg_iov = &iov[i];
    m->msg_iovlen = 1;
    m->msg_name = b.addresses.data + i * STRIDE;
    m->msg_namelen = STRIDE;
    /* Without room for them the descriptors that a unix peer may pass never become ours. */
    if (family != AF_INET && family != AF_INET6) continue;
    m->msg_control = control[i];
    m->msg_controllen = CONTROL;
  }
  int got = recvmmsg(fd, messages, (unsigned)count, flags | MSG_TRUNC | MSG_CMSG_CLOEXEC, NULL);
  int error = errno;
  for (int i = 0; i < got; i++) {
    b.length[i] = (int32_t)messages[i].msg_len;
    socklen_t length = messages[i].msg_hdr.msg_namelen;
    b.address_length[i] = (int32_t)(length > STRIDE ? STRIDE : length);
    note_control(&b, (size_t)i, &messages[i].msg_hdr);
  }
  errno = error;
  return ny_result(env, got);
}

void ny_init_batches(napi_env env, napi_value exports) {
  ny_method(env, exports, "sendBatch", send_batch, NULL);
  ny_method(env, exports, "receiveBatch", receive_batch, NULL);
}

/* The floor: a client in C with the daemon's two links and nothing between them.
 *
 * For each frame of market data it writes one frame of an order's size. `harness_echo PORT
 * spin|sleep BYTES [plain|tls]`.
 */
#include "harness_wire.h"

static void open_link(int port, const char *path, struct wire *wire)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    prompt(fd);
    char ask[512];
    int count = snprintf(ask, sizeof ask,
                         "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                         path);
    if (greet(wire, fd) < 0)
        fail("greet");
    put(wire, ask, (size_t)count);
    char *end = NULL;
    while (end == NULL) {
        if (fill(wire, 0) < 0)
            fail("handshake");
        wire->bytes[wire->have] = 0;
        end = strstr((char *)wire->bytes, "\r\n\r\n");
    }
    done(wire, (size_t)(end + 4 - (char *)wire->bytes));
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 64;
    wake_at_once();
    if (argc > 4 && strcmp(argv[4], "tls") == 0) {
#ifdef WITH_TLS
        tls_context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(tls_context,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
#else
        fail("built without TLS");
#endif
    }
    int port = atoi(argv[1]), spins = strcmp(argv[2], "spin") == 0, count = atoi(argv[3]);
    static struct wire market, order;
    static char text[65536];
    static unsigned char out[65552];
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"method\":\"order.echo\"}", 23);
    size_t whole = frame(out, TEXT, text, (size_t)count, 1);
    open_link(port, "/ws-api/v3?peer=c", &order);
    open_link(port, "/stream?peer=c", &market);
    int flags = spins ? MSG_DONTWAIT : 0;
    for (;;) {
        char *seen;
        size_t length, used;
        int got = fill(&market, flags);
        if (got < 0)
            return 0;
        while (got > 0 && first(&market, &seen, &length, &used)) {
            if (put(&order, out, whole) < 0)
                return 0;
            done(&market, used);
        }
    }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "delivery.h"

#include "bus-bed.h"
#include "event.h"
#include "subscription.h"

/* What the reader at the other end does with a ping. */
enum pings {
        PINGS_ANSWERED,
        PINGS_KEPT,    /* as when it is stopped */
        PINGS_ERRORED, /* answered with an error of its own */
        PINGS_REFUSED, /* turned back by the bus */
};

static const char reader_name[] = ":1.5";

static struct bus_pair pair;
static struct subscription_limits limits;
static struct delivery_context context;
static struct delivery delivery;
static struct event *event;
static uint64_t offered;
static unsigned held, refusals;

static struct {
        enum pings pings;
        sd_bus_message *ping; /* kept */
        unsigned n_pings;
        unsigned signals;
        uint64_t received;
        uint64_t lost;
        uint64_t first_seq; /* of the last signal */
        uint64_t largest;   /* signal, in events */
} reader;

static void answer(sd_bus_message *ping, const char *sender, const char *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        if (error)
                ck_assert_int_ge(
                        sd_bus_message_new_method_errorf(ping, &reply, error, "for the test"), 0);
        else
                ck_assert_int_ge(sd_bus_message_new_method_return(ping, &reply), 0);
        ck_assert_int_ge(sd_bus_message_set_sender(reply, sender), 0);
        ck_assert_int_ge(sd_bus_send(pair.other, reply, NULL), 0);
}

static void on_ping(sd_bus_message *m) {
        ck_assert_str_eq(sd_bus_message_get_destination(m), reader_name);
        reader.n_pings++;
        switch (reader.pings) {
        case PINGS_ANSWERED:
                answer(m, reader_name, NULL);
                break;
        case PINGS_KEPT:
                ck_assert_ptr_null(reader.ping);
                reader.ping = sd_bus_message_ref(m);
                break;
        case PINGS_ERRORED:
                answer(m, reader_name, SD_BUS_ERROR_UNKNOWN_METHOD);
                break;
        case PINGS_REFUSED:
                answer(m, "org.freedesktop.DBus", SD_BUS_ERROR_LIMITS_EXCEEDED);
                break;
        }
}

static void on_events(sd_bus_message *m) {
        uint64_t lost, events = 0;

        ck_assert_str_eq(sd_bus_message_get_destination(m), reader_name);
        ck_assert_int_gt(sd_bus_message_read(m, "tt", &reader.first_seq, &lost), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "a{sv}"), 0);
        for (; sd_bus_message_at_end(m, 0) == 0; events++)
                ck_assert_int_ge(sd_bus_message_skip(m, "a{sv}"), 0);
        reader.signals++;
        reader.received += events;
        reader.lost += lost;
        reader.largest = MAX(reader.largest, events);
}

static int on_message(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Peer", "Ping"))
                on_ping(m);
        else if (sd_bus_message_is_signal(m, "org.bpfmon1.Subscription", "Events"))
                on_events(m);
        else
                ck_abort_msg("neither a ping nor events");
        return 1;
}

static void on_refused(_unused_ void *userdata) {
        refusals++;
}

static void on_held(_unused_ void *userdata) {
        held++;
}

static void setup(void) {
        memset(&reader, 0, sizeof(reader));
        offered = held = refusals = 0;
        bus_pair_open(&pair);
        ck_assert_int_ge(sd_bus_add_filter(pair.other, NULL, on_message, NULL), 0);
        event = malloc(sizeof(*event));
        ck_assert_ptr_nonnull(event);

        limits = subscription_limits_default;
        context = (struct delivery_context){
                .bus = pair.ours, .limits = &limits, .held = on_held, .refused = on_refused};
        delivery_init(&delivery, &context, reader_name, "/org/bpfmon1/subscription/1", NULL);
}

/* A window of this size, and as much to share. */
static void set_window(uint64_t bytes) {
        limits.window_bytes = limits.shared_bytes = bytes;
        delivery_init(&delivery, &context, reader_name, "/org/bpfmon1/subscription/1", NULL);
}

static void teardown(void) {
        delivery_done(&delivery);
        sd_bus_message_unref(reader.ping);
        bus_pair_close(&pair);
        free(event);
}

static void offer(unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                event_reset(event);
                event_set_u64(event, FIELD_SEQ, ++offered);
                event_set_printf(event, FIELD_PROCESS_EXECUTABLE, "%0500d", 1);
                delivery_event(&delivery, event);
        }
}

/* Offers until some are lost. */
static void fill_window(void) {
        uint64_t before = context.dropped;

        reader.pings = PINGS_KEPT;
        while (context.dropped == before) {
                offer(32);
                bus_pair_process(&pair);
                ck_assert_uint_lt(offered, 10000000);
        }
}

static void release_ping(void) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *ping = TAKE_PTR(reader.ping);

        ck_assert_ptr_nonnull(ping);
        reader.pings = PINGS_ANSWERED;
        answer(ping, reader_name, NULL);
        bus_pair_process(&pair);
}

START_TEST(test_lone_event_goes_at_once) {
        offer(1);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.signals, 1);
        ck_assert_uint_eq(reader.received, 1);
        ck_assert_uint_eq(reader.lost, 0);
        ck_assert_uint_eq(reader.first_seq, 1);
        ck_assert_uint_eq(reader.n_pings, 1);

        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.signals, 1);
        ck_assert_uint_eq(reader.n_pings, 1);
}
END_TEST

START_TEST(test_batches) {
        offer(200);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.signals, 4);
        ck_assert_uint_eq(reader.received, 200);
        ck_assert_uint_eq(reader.first_seq, 193);
        ck_assert_uint_eq(reader.largest, 64);
}
END_TEST

/* Large events end a batch by their bytes. */
START_TEST(test_batch_bytes) {
        static const char large[20000];

        event_reset(event);
        event_set_bytes(event, FIELD_BPF_ATTR_RAW, large, sizeof(large));
        for (int i = 0; i < 8; i++)
                delivery_event(&delivery, event);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.signals, 2);
        ck_assert_uint_eq(reader.largest, 4);
}
END_TEST

START_TEST(test_full_window) {
        set_window(1024 * 1024);
        fill_window();
        offer(1000);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.lost, 0);
        ck_assert_uint_le(window_pending(&delivery.window), 1024 * 1024);

        /* The count comes without another event. */
        release_ping();
        ck_assert_uint_eq(reader.lost, context.dropped);
        ck_assert_uint_eq(reader.first_seq, 0);
        ck_assert_uint_eq(reader.received + reader.lost, offered);

        offer(10);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.lost, context.dropped);
        ck_assert_uint_eq(reader.received + reader.lost, offered);
}
END_TEST

START_TEST(test_losses_before) {
        reader.pings = PINGS_KEPT;
        delivery_lost(&delivery, 7);
        offer(1);
        delivery_lost(&delivery, 5);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.lost, 7);
        ck_assert_uint_eq(reader.first_seq, 1);

        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.lost, 12);
        ck_assert_uint_eq(reader.signals, 2);
        ck_assert_uint_eq(context.dropped, 0);
}
END_TEST

/* A reader that does not know Ping has still read what came before it. */
START_TEST(test_error_of_the_reader_confirms) {
        reader.pings = PINGS_ERRORED;
        for (int i = 0; i < 40; i++) {
                offer(1000);
                delivery_flush(&delivery);
                bus_pair_process(&pair);
        }
        ck_assert_uint_eq(reader.received, offered);
        ck_assert_uint_eq(window_pending(&delivery.window), 0);
}
END_TEST

/* What turns pings back may drop signals too: what it may have dropped is told as lost. */
START_TEST(test_refused_ping) {
        reader.pings = PINGS_REFUSED;
        offer(3);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.n_pings, 1);
        ck_assert_uint_gt(window_pending(&delivery.window), 0);

        reader.pings = PINGS_ANSWERED;
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.lost, 3);
        ck_assert_uint_eq(window_pending(&delivery.window), 0);

        offer(1);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.lost, 3);
        ck_assert_uint_eq(reader.received, 4);
        ck_assert_uint_gt(refusals, 0); /* another one follows without an event */
}
END_TEST

/* The bus does not read: our write queue stays bounded, and nothing is lost uncounted. */
START_TEST(test_clogged_bus) {
        uint64_t queued, most = 0;

        set_window(UINT64_C(1) << 40);
        while (context.dropped == 0) {
                offer(1000);
                delivery_flush(&delivery);
                ck_assert_int_ge(sd_bus_get_n_queued_write(pair.ours, &queued), 0);
                most = MAX(most, queued);
                ck_assert_uint_lt(offered, 10000000);
        }
        ck_assert_uint_gt(held, 0);
        ck_assert_uint_gt(most, 0);
        ck_assert_uint_le(most, 66);

        bus_pair_process(&pair);
        delivery_flush(&delivery);
        bus_pair_process(&pair);
        ck_assert_uint_eq(reader.lost, context.dropped);
        ck_assert_uint_eq(reader.received + reader.lost, offered);
}
END_TEST

/* Stopped readers use up what is shared; another one still has its own part. */
START_TEST(test_own_part) {
        limits.own_bytes = limits.shared_bytes = 512 * 1024;
        fill_window();
        ck_assert_uint_le(window_pending(&delivery.window), 1024 * 1024);
        ck_assert_uint_gt(window_pending(&delivery.window), 512 * 1024);

        struct delivery other;
        uint64_t before = context.dropped;
        sd_bus_message *first = TAKE_PTR(reader.ping);

        delivery_init(&other, &context, reader_name, "/org/bpfmon1/subscription/2", NULL);
        while (context.dropped == before) {
                event_reset(event);
                event_set_string(event, FIELD_EVENT, "prog-load");
                delivery_event(&other, event);
                bus_pair_process(&pair);
        }
        ck_assert_uint_le(window_pending(&other.window), 512 * 1024);
        ck_assert_uint_gt(window_pending(&other.window), 256 * 1024);

        delivery_done(&other);
        sd_bus_message_unref(reader.ping);
        reader.ping = first;
        release_ping();
        ck_assert_uint_lt(window_pending(&delivery.window), 512 * 1024);
        ck_assert_uint_eq(context.borrowed, 0);
}
END_TEST

/* Nothing comes after the end, neither what was batched nor the answer to a late ping. */
START_TEST(test_done) {
        reader.pings = PINGS_KEPT;
        offer(70);
        bus_pair_process(&pair);
        delivery_done(&delivery);
        ck_assert_uint_eq(context.borrowed, 0);
        release_ping();
        ck_assert_uint_eq(reader.received, 64);
        ck_assert_uint_eq(reader.signals, 1);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("delivery");
        TCase *t = tcase_create("delivery");

        tcase_set_timeout(t, 30);
        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, test_lone_event_goes_at_once);
        tcase_add_test(t, test_batches);
        tcase_add_test(t, test_batch_bytes);
        tcase_add_test(t, test_full_window);
        tcase_add_test(t, test_losses_before);
        tcase_add_test(t, test_error_of_the_reader_confirms);
        tcase_add_test(t, test_refused_ping);
        tcase_add_test(t, test_clogged_bus);
        tcase_add_test(t, test_own_part);
        tcase_add_test(t, test_done);
        suite_add_tcase(s, t);
        return s;
}

TAP_MAIN(suite)

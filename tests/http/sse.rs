//! Streams of events, read on behind the last one.

use std::time::Duration;

use arrow_array::{Array, cast::AsArray};
use weir_connector::SourceEvent;
use weir_tests::connectors::{is_silent, next, number, numbers, open, open_all, said, source};

use crate::{
    run, table,
    web::{Answer, Web},
};

#[test]
fn events_are_read_with_what_is_known_of_them() {
    run(async {
        let web = Web::start();
        web.answer([Answer::of(
            200,
            ": hello\n\ndata: {\"n\":1}\n\nid: a\nevent: add\ndata: {\ndata: \"n\":2}\n\n",
        )
        .header("content-type", "text/event-stream")]);
        let columns = vec![number("n"), said("id"), said("event")];
        let url = web.url("/events");
        let table = weir_tests::connectors::table("sse", columns, &[("url", &url), ("format", "json")]);
        let mut source = open_all(&table).await;
        let batch = next(source.as_mut()).await.expect("reads").expect("rows");
        let text = |column: usize, row: usize| {
            let column = batch.column(column).as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        assert_eq!(batch.num_rows(), 2);
        assert_eq!([text(1, 0), text(2, 0)], [None, Some("message".into())]);
        assert_eq!([text(1, 1), text(2, 1)], [Some("a".into()), Some("add".into())]);
    });
}

#[test]
fn reading_goes_on_behind_the_last_event() {
    run(async {
        let mut web = Web::start();
        web.site.events.send_replace(5);
        let table = table("sse", &web.url("/events"), &[]);
        let mut source = open_all(&table).await;
        assert_eq!(numbers(source.as_mut(), 5).await, [1, 2, 3, 4, 5]);
        // A server that is started again.
        web.stop();
        assert!(is_silent(source.as_mut(), Duration::from_millis(300)).await);
        web.site.events.send_replace(8);
        web.start_again();
        assert_eq!(numbers(source.as_mut(), 3).await, [6, 7, 8]);
        // A job that failed.
        let splits = source.positions();
        web.site.events.send_replace(12);
        assert_eq!(numbers(source.as_mut(), 4).await, [9, 10, 11, 12]);
        drop(source);
        let mut source = open(&table, splits).await;
        assert_eq!(numbers(source.as_mut(), 4).await, [9, 10, 11, 12]);
        drop(source);
        // Streams that end.
        *web.site.stream_end.get() = Some(15);
        web.site.events.send_replace(15);
        web.asked();
        let mut source = open_all(&table).await;
        assert_eq!(numbers(source.as_mut(), 15).await, (1..=15).collect::<Vec<_>>());
        assert!(is_silent(source.as_mut(), Duration::from_millis(1500)).await);
        *web.site.stream_end.get() = None;
        web.site.events.send_replace(17);
        assert_eq!(numbers(source.as_mut(), 2).await, [16, 17]);
        let asked = web.asked();
        let last = asked.last().expect("it was asked");
        assert_eq!(
            (last.header("last-event-id"), last.header("accept")),
            (Some("15"), Some("text/event-stream"))
        );
    });
}

#[test]
fn only_events_of_some_types_are_read_and_all_are_passed() {
    run(async {
        let web = Web::start();
        web.site.events.send_replace(25);
        let table = table("sse", &web.url("/events"), &[("scan.events", "tenth; other")]);
        let mut source = open_all(&table).await;
        assert_eq!(numbers(source.as_mut(), 2).await, [10, 20]);
        assert!(is_silent(source.as_mut(), Duration::from_millis(300)).await);
        let state = String::from_utf8(source.positions()[0].state.clone()).expect("text");
        assert!(state.contains("\"last_event_id\":\"25\""), "{state}");
    });
}

#[test]
fn a_server_may_end_the_table_and_one_without_events_is_refused() {
    run(async {
        let web = Web::start();
        let table = table("sse", &web.url("/events"), &[]);
        web.answer([Answer::of(204, "")]);
        let mut ended = open_all(&table).await;
        assert!(matches!(
            ended.next().await,
            Ok(SourceEvent::SplitEnd { split: 0 })
        ));
        assert!(matches!(ended.next().await, Ok(SourceEvent::End)));
        let factory = source(&table);
        factory.check().await.expect("it has events");
        web.answer([Answer::of(200, "<html>").header("content-type", "text/html")]);
        let said = factory.check().await.expect_err("no events").to_string();
        assert!(
            said.ends_with("/events: the answer is 'text/html', and no stream of events"),
            "{said}"
        );
        web.answer([Answer::of(401, "who are you")]);
        let mut reader = open_all(&table).await;
        let error = next(reader.as_mut()).await.expect_err("refused");
        assert!(
            error.message.ends_with("401 Unauthorized: who are you"),
            "{error}"
        );
    });
}

#[test]
fn a_silent_stream_is_asked_for_again() {
    run(async {
        let web = Web::start();
        let options = [("scan.idle-timeout", "300 ms"), ("scan.max-retries", "2")];
        let table = table("sse", &web.url("/events"), &options);
        let mut reader = open_all(&table).await;
        let error = next(reader.as_mut()).await.expect_err("nothing comes");
        assert!(error.message.ends_with("nothing has come for 300ms"), "{error}");
        assert_eq!(error.class, weir_model::FailureClass::External);
        assert_eq!(web.asked().len(), 3);
    });
}

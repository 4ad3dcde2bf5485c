//! Pictures.

use crate::harness::{Answer, Server, good};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sonder_collect::Refused;

fn is_picture(answer: &Answer) -> bool {
    answer.is_ok() && answer.header("content-type") == "image/gif" && answer.body.starts_with(b"GIF89a")
}

#[tokio::test]
async fn a_picture_carries_a_message() {
    let server = Server::new();
    let data = good(json!({"type": null, "writeKey": "wk_web", "messageId": "m1"})).to_string();
    for (path, encoded) in [
        ("/v1/pixel/track", STANDARD.encode(&data).replace('+', "%2B")),
        ("/v1/pixel/track", URL_SAFE_NO_PAD.encode(&data)),
        ("/pixel/v1/track", URL_SAFE_NO_PAD.encode(&data)),
        ("/any/v1/pixel/track", STANDARD.encode(&data)),
    ] {
        let call = server.get(&format!("{path}?data={encoded}")).header("user-agent", "Mail/1.0");
        assert!(is_picture(&call.send().await));
        let message = server.message();
        assert_eq!((message.message_id.as_str(), message.context["userAgent"].as_str()), ("m1", Some("Mail/1.0")));
    }
    let dotted = "/v1/pixel/track?writeKey=wk_web&userId=u1&event=Product%20Viewed&properties.product_id=p7";
    assert!(is_picture(&server.get(dotted).send().await));
    let message = server.message();
    assert_eq!((message.user_id.as_deref(), message.properties["product_id"].as_str()), (Some("u1"), Some("p7")));
}

#[tokio::test]
async fn a_picture_is_shown_whatever_comes_of_its_message() {
    let server = Server::new();
    for path in [
        "/v1/pixel/track",
        "/v1/pixel/track?data=%%%",
        "/v1/pixel/page?writeKey=nope&userId=u",
        "/v1/pixel/page?userId=u",
    ] {
        assert!(is_picture(&server.get(path).send().await), "{path}");
    }
    *server.memory.refuse.lock() = Some(Refused::Unavailable);
    assert!(is_picture(&server.get("/v1/pixel/page?writeKey=wk&userId=u").send().await));
    let codes: Vec<_> = server.collector.rejections().into_iter().map(|count| (count.code, count.count)).collect();
    assert_eq!(codes, [("malformed", 2), ("missing_write_key", 1), ("unavailable", 1), ("unknown_write_key", 1)]);
}

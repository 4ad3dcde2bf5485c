//! The project that the examples of the reference are about.

/// Its files, by path.
pub const PROJECT: &[(&str, &str)] = &[
    ("sonder.yaml", "name: shop\ntimezone: Europe/Amsterdam\n"),
    (
        "events/view.yaml",
        "\
event: view
description: Somebody looked at a product.
properties:
  category: {type: string, enum: [a, b, c]}
  product: {type: string}
  price: {type: number, multipleOf: 0.01}
  rating: {type: number}
  position: {type: integer}
  sale: {type: boolean}
  tags: {type: array, items: {type: string}}
  stocked: {type: string, format: date-time}
",
    ),
    (
        "events/add.yaml",
        "\
event: add
description: Somebody put a product into the cart.
properties:
  cart: {type: string}
  product: {type: string}
  quantity: {type: integer}
",
    ),
    (
        "events/order.yaml",
        "\
event: order
description: Somebody bought what was in the cart.
properties:
  total: {type: number, multipleOf: 0.01}
  email: {type: string, pii: contact}
",
    ),
    (
        "profile.yaml",
        "\
traits:
  country: {type: string}
  plan: {type: string, enum: [free, pro]}
  email: {type: string, pii: contact}
  interested: {type: boolean}
",
    ),
    (
        "destinations/mail.yaml",
        "\
destination: mail
plugin: plugins/mail.wasm
",
    ),
];

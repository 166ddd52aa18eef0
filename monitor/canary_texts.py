"""Sixty-four fixed texts that are embedded again and again, to see whether an embedding endpoint still is what it was.

They spread over what changes of an endpoint disturb: length (truncation), case and punctuation (normalisation),
scripts and composed characters (tokenisation), ordinary questions and passages (weights, pooling, prompts). Changing a
text invalidates the canaries of every baseline.
"""

from __future__ import annotations

_LONG_A = " ".join(
    f"The {reader} reader compares page {len(reader) * len(topic)} with the note about {topic} and writes it down."
    for reader in ("patient", "careful", "tired", "quick", "doubtful", "cheerful")
    for topic in ("rivers", "copper", "taxes", "orchards", "signals", "harbours", "glaciers", "grammar")
)
_LONG_B = " ".join(
    f"At {hour:02d}:{minute:02d} the pump in hall {hour % 5} reported {hour * minute % 97} litres and a pressure of {minute}."
    for hour in range(24)
    for minute in (5, 35)
)
_LONG_C = " ".join(
    f"{verb} the {thing}, then wait until the light turns {colour};"
    for verb in ("Open", "Close", "Lift", "Turn", "Press", "Clean")
    for thing in ("left valve", "upper lid", "rear panel", "small hatch")
    for colour in ("green", "amber", "white")
)

CANARY_TEXTS: tuple[str, ...] = (
    "refund",
    "Invoice",
    "timeout",
    "hello",
    "GPU",
    "a",
    "reset password",
    "late delivery",
    "opening hours sunday",
    "cancel my subscription",
    "how do I change the address on my account?",
    "What is the difference between a list and a tuple?",
    "Which document do I need to register a car bought abroad?",
    "why does the index return fewer results than before",
    "is there a limit on the number of files I can upload per day?",
    "Where can I see how much storage my team has used this month?",
    "can two people edit the same drawing at once",
    "Who approved the budget for the second quarter?",
    "The battery must be removed before the housing is opened, otherwise the warranty ends.",
    "Employees who travel for more than eight hours receive a daily allowance that depends on the country.",
    "A mutex protects shared state; a semaphore counts how many may enter; a condition lets a thread wait for a change.",
    "The committee met on Tuesday and postponed the vote, since two members were absent and the report was incomplete.",
    "Water boils at a lower temperature in the mountains because the pressure of the air is lower there.",
    "To restore a backup, stop the service, copy the archive into the data folder, and start the service again.",
    _LONG_A,
    _LONG_B,
    _LONG_C,
    "reset password!",
    "RESET PASSWORD",
    "reset   password",
    "reset-password",
    "…reset password???",
    "(cancel) [my] {subscription}",
    "cancel; my: subscription,",
    "'quoted' \"twice\" `code`",
    "1234567890",
    "Order 4711-B of 2024-02-29, total 1,299.95 EUR",
    "v2.13.0-rc1+cpu",
    "3.14159 2.71828 1.41421",
    "192.0.2.17:8443 refused the connection",
    "SELECT name FROM users WHERE id = 42 ORDER BY name;",
    "def area(r: float) -> float:\n    return 3.14159 * r ** 2",
    '{"status": "failed", "code": 503, "retry": true}',
    "<p>Only <b>bold</b> text</p>",
    "https://example.com/docs/setup?lang=en#step-2",
    "naïve café résumé",
    "nai\u0308ve cafe\u0301 re\u0301sume\u0301",
    "Straße, Größe, Übermaß",
    "smile 🙂 rocket 🚀 flag 🏁",
    "ﬁne ligatures and ½ fractions",
    "Wie ändere ich die Lieferadresse meiner Bestellung?",
    "Comment puis-je annuler mon abonnement avant la fin du mois ?",
    "¿Cuánto tarda en llegar un paquete a las islas?",
    "Quanto costa spedire un pacco fino a cinque chili?",
    "Jak zmienić hasło do konta firmowego?",
    "Где посмотреть счёт за прошлый месяц?",
    "Πού βρίσκω τους όρους της εγγύησης;",
    "كيف أغير كلمة المرور الخاصة بي؟",
    "איך מבטלים הזמנה שכבר שולמה?",
    "मैं अपना पता कैसे बदलूँ?",
    "如何更改我的收货地址？",
    "パスワードを忘れた場合はどうすればよいですか。",
    "비밀번호를 재설정하려면 어떻게 하나요?",
    "Parolamı nasıl sıfırlarım?",
)

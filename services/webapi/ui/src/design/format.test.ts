import { describe, expect, it } from "vitest";
import { amount, count, duration, durationInWords, instant, phoneNumber } from "./format";

describe("money", () => {
  it("keeps every digit of an exact amount", () => {
    const money = { amount: "123456789012345678.123456789", currency: "EUR" };
    expect(amount("en", money, "exact")).toBe("123,456,789,012,345,678.123456789");
  });

  it("gives a total the places of its currency", () => {
    expect(amount("en", { amount: "1204.310000000", currency: "EUR" }, "total")).toBe("1,204.31");
    expect(amount("de", { amount: "1204.310000000", currency: "EUR" }, "total")).toBe("1.204,31");
    expect(amount("en", { amount: "1204.000000000", currency: "JPY" }, "total")).toBe("1,204");
    expect(amount("en", { amount: "1.500000000", currency: "KWD" }, "total")).toBe("1.500");
  });

  it("gives a charge two places more, and never cuts one", () => {
    expect(amount("en", { amount: "0.318800000", currency: "EUR" }, "charge")).toBe("0.3188");
    expect(amount("en", { amount: "12.000000000", currency: "EUR" }, "charge")).toBe("12.0000");
    expect(amount("en", { amount: "0.000001000", currency: "EUR" }, "charge")).toBe("0.000001");
  });

  it("begins a fraction whose digits do not end, and says that they go on", () => {
    expect(amount("en", { amount: "7/15", currency: "EUR" }, "charge")).toBe("0.466666…");
    expect(amount("de", { amount: "-3100/3", currency: "EUR" }, "charge")).toBe("-1.033,333333…");
  });

  it("shows what is no decimal as it came", () => {
    expect(amount("en", { amount: "1/3", currency: "EUR" }, "exact")).toBe("1/3");
  });
});

describe("time", () => {
  it("tells a call in the zone of its site, by a clock of 24 hours", () => {
    const at = "2026-11-21T13:03:01.000Z";
    expect(instant("en", at, "Europe/Berlin", "moment")).toBe("21 Nov, 14:03:01");
    expect(instant("en", at, "UTC", "clock")).toBe("13:03:01");
  });

  it("says an hour only where there is one", () => {
    expect(duration(187_000)).toBe("3:07");
    expect(duration(3_787_999)).toBe("1:03:07");
    expect(duration(0)).toBe("0:00");
  });

  it("says durations in words for those who listen", () => {
    expect(durationInWords("en", 187_000)).toBe("3 minutes, 7 seconds");
    expect(durationInWords("de", 3_600_000)).toBe("1 Stunde");
    expect(durationInWords("en", 400)).toBe("0 seconds");
  });
});

describe("numbers", () => {
  it("groups a phone number behind its country code", () => {
    expect(phoneNumber("34915550100")).toBe("+34 915 550 100");
    expect(phoneNumber("+12125550142")).toBe("+1 212 555 0142");
    expect(phoneNumber("35318901234")).toBe("+353 189 012 34");
  });

  it("separates thousands by the reader's language", () => {
    expect(count("en", 12408)).toBe("12,408");
    expect(count("de", 12408)).toBe("12.408");
  });
});

import Testing

@testable import Quantities

@Suite("Quantities with units")
struct QuantityTests {
    @Test("400 Gb/s is 50 GB/s: bits and bytes stay apart")
    func bitsAndBytes() throws {
        #expect(try Bandwidth(parsing: "400 Gb/s").bytesPerSecond == 50e9)
        #expect(try Bandwidth(parsing: "50 GB/s").bytesPerSecond == 50e9)
        #expect(try Bandwidth(parsing: "50GB/s") == Bandwidth(parsing: "400 Gb/s"))
        #expect(throws: QuantityError.self) { try Bytes(parsing: "80 Gb") }
    }

    @Test("a bit where bytes are meant is explained with both readings")
    func bitsForBytes() {
        let error = #expect(throws: QuantityError.self) { try Bytes(parsing: "80 Gb") }
        #expect(error?.message.contains("10.0 GB") == true)
        #expect(error?.message.contains("80.0 GB") == true)
    }

    @Test("G is 10^9 and Gi is 2^30")
    func prefixes() throws {
        #expect(try Bytes(parsing: "1 GB").count == 1_000_000_000)
        #expect(try Bytes(parsing: "1 GiB").count == 1_073_741_824)
        #expect(try Bytes(parsing: "1 KiB").count == 1024)
    }

    @Test("a bare number is refused where a unit matters", arguments: ["80", "80.5", "1e9"])
    func bareNumbers(text: String) {
        #expect(throws: QuantityError.self) { try Bytes(parsing: text) }
        #expect(throws: QuantityError.self) { try Duration(parsing: text) }
    }

    @Test("nonsense is refused", arguments: ["", " ", "GB", "-5 GB", "nan GB", "inf GB", "1e30 GB", "5 parsecs", "1..2 GB", "0x10 GB"])
    func nonsense(text: String) { #expect(throws: QuantityError.self) { try Bytes(parsing: text) } }

    @Test("durations round up once, and decimal fractions are what they say")
    func rounding() throws {
        #expect(try Duration(parsing: "2.5 us").nanoseconds == 2500)
        #expect(try Duration(seconds: 1.1e-9).nanoseconds == 2)
        #expect(try Duration(seconds: 0.3).nanoseconds == 300_000_000)
        #expect(try Duration(parsing: "54 days").nanoseconds == 54 * 86_400 * 1_000_000_000)
        #expect(throws: QuantityError.self) { try Duration(seconds: -1) }
        #expect(throws: QuantityError.self) { try Duration(seconds: .nan) }
        #expect(throws: QuantityError.self) { try Duration(seconds: 1e12) }
    }

    @Test("overflow is an error, not a trap")
    func overflow() {
        let long = Duration(nanoseconds: .max)
        #expect(throws: QuantityError.self) { try long + Duration(nanoseconds: 1) }
        #expect(throws: QuantityError.self) { try long * 2 }
        #expect(throws: QuantityError.self) { try Instant(nanoseconds: .max).advanced(by: Duration(nanoseconds: 1)) }
        #expect(throws: QuantityError.self) { try Bytes(.max) + Bytes(1) }
        #expect(throws: QuantityError.self) { try Money(microdollars: .max) + Money(microdollars: 1) }
    }

    @Test("2.788 M GPU-hours at 2 USD are 5.576 M USD to the cent")
    func money() throws {
        let bill = try Money(baseValue: 2_788_000 * HourlyPrice(parsing: "2.00 USD/h").dollarsPerHour)
        #expect(bill.microdollars == 5_576_000_000_000)
        #expect("\(bill)" == "5.576 MUSD")
    }

    @Test("printing picks a unit and reads back as nearly the same", arguments: ["400 Gb/s", "3.35 TB/s", "25 MB/s", "1 B/s"])
    func roundTrip(text: String) throws {
        let value = try Bandwidth(parsing: text)
        let again = try Bandwidth(parsing: value.description)
        #expect(abs(again.bytesPerSecond / value.bytesPerSecond - 1) < 1e-3)
    }

    @Test("ratios and counts")
    func ratios() throws {
        #expect(try Ratio(parsing: "5%").value == 0.05)
        #expect(try Ratio(parsing: "0.05").value == 0.05)
        #expect(try Count(parsing: "15.6T").value == 15_600_000_000_000)
        #expect(throws: QuantityError.self) { try Ratio(parsing: "5 GB") }
    }

    @Test("numbers are printed with the digits that matter")
    func significantDigits() {
        #expect(significant(0.000123456) == "0.0001235")
        #expect(significant(16384) == "16384")
        #expect(significant(9.000000000000001e-9) == "9e-9")
        #expect(significant(-1.5e20) == "-1.5e20")
        #expect(significant(5.576) == "5.576")
        #expect(fixed(-0.0004, decimals: 2) == "0.00")
        #expect(fixed(12.345, decimals: 1) == "12.3")
    }
}

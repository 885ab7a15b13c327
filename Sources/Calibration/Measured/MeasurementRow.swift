import Cluster
import Quantities
import Workload

/// Reads one row field by field and gathers what is wrong with it.
struct MeasurementRow {
    let record: CSVRecords.Record
    let names: [String]
    private(set) var faults: [MeasurementFault.Fault] = []

    init(record: CSVRecords.Record, names: [String]) {
        self.record = record
        self.names = names
    }

    private func text(_ name: String) -> String {
        guard let index = names.firstIndex(of: name) else { return "" }
        let field = record.fields[index]
        return field.first?.isWhitespace == true || field.last?.isWhitespace == true
            ? String(field.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()) : field
    }

    private mutating func report(_ name: String, _ reason: String, _ suggestion: String) {
        let column = names.firstIndex(of: name).map { record.columns[$0] } ?? 1
        faults.append(.init(line: record.line, column: column, name: name, reason: reason, suggestion: suggestion))
    }

    private mutating func choice<Value>(_ name: String, in values: [(String, Value)]) -> Value? {
        let word = text(name)
        if let found = values.first(where: { $0.0 == word }) { return found.1 }
        let known = values.map(\.0).filter { !$0.isEmpty }
        report(
            name, word.isEmpty ? "is empty" : "\"\(word)\" is not known",
            nearest(word, in: known).map { "did you mean \"\($0)\"?" } ?? "one of \(known.joined(separator: ", "))")
        return nil
    }

    private mutating func number(_ name: String, above least: Double = 0, most: Double = 1e15) -> Double? {
        let word = text(name)
        guard !word.isEmpty else { return nil }
        let value = decimalNumber(word)
        if let value, value > least, value <= most { return value }
        let limit = least < 0 ? "of zero or more" : "above \(KernelShape.plain(least))"
        report(
            name, "\"\(word)\" is no number \(value.map { $0 > most } ?? false ? "up to \(significant(most))" : limit)",
            "write for instance 0.00125, or leave it empty")
        return nil
    }

    private mutating func shape(of kernel: Kernel) -> KernelShape? {
        do throws(ShapeError) { return try KernelShape(parsing: text("shape"), family: kernel.family) } catch {
            report("shape", error.reason, error.suggestion)
            return nil
        }
    }

    private mutating func date() -> String {
        let word = text("date")
        let parts = word.split(separator: "-", omittingEmptySubsequences: false)
        let isDay = parts.count == 3 && parts.map(\.count) == [4, 2, 2] && parts.allSatisfy { Int($0) != nil }
        if !word.isEmpty, !isDay { report("date", "\"\(word)\" is no day", "write YYYY-MM-DD, or leave it empty") }
        return word
    }

    private mutating func count() -> Int {
        let word = text("n")
        guard !word.isEmpty else { return 1 }
        if let count = Int(word), count >= 1 { return count }
        report("n", "\"\(word)\" is no number of repeats", "write a whole number from 1, or leave it empty")
        return 1
    }

    /// - Returns: nil where a fault was found.
    mutating func measurement() -> Measurement? {
        let passes: [(String, Pass)] = [("", .forward)] + Pass.allCases.map { ($0.word, $0) }
        let kernel: Kernel? = choice("kernel", in: Kernel.allCases.map { ($0.rawValue, $0) })
        let pass: Pass? = choice("pass", in: passes)
        let dtype: Precision? = choice("dtype", in: Precision.allCases.map { ($0.rawValue, $0) })
        let layout: Measurement.Layout? = choice("layout", in: Measurement.Layout.allCases.map { ($0.rawValue, $0) })
        var shape: KernelShape?
        if let kernel { shape = self.shape(of: kernel) }
        if text("device").isEmpty { report("device", "is empty", "write a device's name as `orrery catalogue gpus` lists it") }
        let seconds = number("time_s", most: 1e6)
        if seconds == nil, text("time_s").isEmpty { report("time_s", "is empty", "write seconds") }
        // A spread of zero is what a coarse clock sees.
        let spread: Double? = number("spread", above: -1e-300, most: 1e6)
        let p99 = number("p99_s", most: 1e6)
        let clock = number("clock_hz")
        let temperature = number("temperature_c", above: -274, most: 1000)
        let (repeats, day) = (count(), date())
        guard faults.isEmpty, let kernel, let pass, let dtype, let layout, let shape, let seconds else { return nil }
        var key = Measurement.Key(kernel, variant: text("variant"), pass: pass, device: text("device"), dtype: dtype, shape: shape)
        key.layout = layout
        var measurement = Measurement(key, seconds: seconds, repeats: repeats, source: text("source"), date: day)
        measurement.spread = spread
        measurement.p99 = p99
        measurement.conditions = Measurement.Conditions(clockHz: clock, temperatureC: temperature, library: text("library"))
        return measurement
    }
}

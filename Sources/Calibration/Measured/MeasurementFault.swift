/// What is wrong with a file of measurements, or of another tool's timings.
public struct MeasurementFault: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Fault: Sendable, Hashable {
        /// From 1.
        public var line: Int
        /// From 1.
        public var column: Int
        /// Name of the column or key at fault; may be empty.
        public var name: String
        public var reason: String
        public var suggestion: String
        public init(line: Int = 1, column: Int = 1, name: String = "", reason: String, suggestion: String) {
            self.line = line
            self.column = column
            self.name = name
            self.reason = reason
            self.suggestion = suggestion
        }
    }
    public let file: String
    /// At most twenty.
    public let faults: [Fault]

    public init(file: String, _ faults: [Fault]) {
        self.file = file
        self.faults = Array(faults.prefix(20))
    }
    init(file: String, reason: String, suggestion: String) {
        self.init(file: file, [Fault(reason: reason, suggestion: suggestion)])
    }

    public var description: String {
        faults.map { fault in
            let name = fault.name.isEmpty ? "" : "\(fault.name): "
            return "\(file):\(fault.line):\(fault.column): \(name)\(fault.reason); \(fault.suggestion)"
        }.joined(separator: "\n")
    }
}

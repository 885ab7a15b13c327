import Glibc
import Kernels

/// What the operating system tells of this machine; everything is nil or empty where it tells nothing.
public struct Machine: Sendable, Hashable {
    /// "amd-epyc", "intel-xeon-platinum-8480c": the processor's name as measurement files write it.
    public let device: String
    /// Bytes of the second cache of a core, and of the last one.
    public let secondCache: Double
    public let lastCache: Double
    /// Waiting and running processes over the cores, a minute's mean, before the measurement.
    public let load: Double

    public init(processor: String, root: String = "") {
        device = Self.slug(processor)
        var caches: [Int: Double] = [:]
        for index in 0..<8 {
            let folder = "\(root)/sys/devices/system/cpu/cpu0/cache/index\(index)"
            guard let level = Self.read("\(folder)/level").flatMap({ Int($0) }), Self.read("\(folder)/type") != "Instruction",
                let size = Self.read("\(folder)/size").flatMap(Self.bytes)
            else { continue }
            caches[level] = max(caches[level] ?? 0, size)
        }
        secondCache = caches[2] ?? 0x1p20
        lastCache = max(secondCache, caches[caches.keys.max() ?? 0] ?? 0x1p25)
        let average = Self.read("\(root)/proc/loadavg").flatMap { Double($0.split(separator: " ").first ?? "") } ?? 0
        load = average / Double(max(1, CPUBackend.usableCores))
    }

    /// Other work takes so much of the cores that half of all repeats would be disturbed.
    public var isBusy: Bool { load > 0.75 }

    /// Hertz of the first core, as /proc/cpuinfo or cpufreq give it.
    public static func clock() -> Double? {
        if let kilohertz = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").flatMap({ Double($0) }) { return kilohertz * 1e3 }
        guard let text = read("/proc/cpuinfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("cpu MHz") {
            return line.split(separator: " ").last.flatMap { Double($0) }.map { $0 * 1e6 }
        }
        return nil
    }

    /// Degrees Celsius of the warmest zone that the system shows.
    public static func temperature(root: String = "") -> Double? {
        var warmest: Double?
        for zone in 0..<32 {
            guard let text = read("\(root)/sys/class/thermal/thermal_zone\(zone)/temp"), let milli = Double(text) else { continue }
            if milli > -273_000, milli < 1e6 { warmest = max(warmest ?? -273, milli / 1000) }
        }
        return warmest
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func slug(_ name: String) -> String {
        var words: [String] = []
        var word = ""
        for character in name.lowercased() {
            if character.isASCII, character.isLetter || character.isNumber || character == "." {
                word.append(character)
            } else if !word.isEmpty {
                words.append(word)
                word = ""
            }
        }
        if !word.isEmpty { words.append(word) }
        // "AMD EPYC 9B14 96-Core Processor": trade marks and counts of cores name no device.
        words.removeAll { ["r", "tm", "cpu", "processor", "core"].contains($0) || $0.hasSuffix("ghz") }
        return words.isEmpty ? "unknown-cpu" : words.joined(separator: "-")
    }

    private static func bytes(_ text: String) -> Double? {
        guard let unit = text.last else { return nil }
        let factor: [Character: Double] = ["K": 1024, "M": 1_048_576, "G": 1_073_741_824]
        if let factor = factor[unit] { return Double(text.dropLast()).map { $0 * factor } }
        return Double(text)
    }

    /// The first 4 KiB of a small system file without the line end; nil where it cannot be read.
    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        var text = String(decoding: bytes[0..<count], as: UTF8.self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text.isEmpty ? nil : text
    }
}

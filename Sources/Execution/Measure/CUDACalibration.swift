import Calibration
import Cluster
import Kernels

/// Times a GPU's kernels through the CUDA plug-in into a measurement file.
public struct CUDACalibration {
    public struct Settings: Sendable {
        /// Measurement file (docs/measurements.md).
        public var output: String
        /// Seconds of wall clock.
        public var budget = 1500.0
        public var resumes = false
        /// Number of the GPU, from 0.
        public var device = 0
        /// What measurement files call it; nil: from the driver's name.
        public var name: String?
        public init(output: String) { self.output = output }
    }
    public struct Outcome: Sendable {
        public var written = 0
        public var found = 0
        /// Timings that the budget left no time for.
        public var left = 0
        public var device = ""
        public var library = ""
        /// Calls that this GPU or library cannot do, with the first reason of each kind.
        public var unsupported = 0
        public var remarks: [String] = []
    }

    private let plugin: CUDAPlugin
    private let settings: Settings
    private let gpu: CUDADevice
    /// As measurement files call it.
    public let device: String

    /// - Throws: `CUDAError` where there is no GPU of this number, `CalibrationError` where its name is not known and none was given.
    public init(_ plugin: CUDAPlugin, _ settings: Settings) throws {
        let devices = try plugin.devices()
        guard devices.indices.contains(settings.device) else {
            throw CUDAError.noDevice("GPU \(settings.device) of \(devices.count): the first has the number 0")
        }
        guard settings.budget >= 1, settings.budget <= 86_400 else {
            throw CalibrationError("a budget of \(settings.budget) seconds: it must be 1 s to 1 day, for instance 25min")
        }
        gpu = devices[settings.device]
        self.plugin = plugin
        self.settings = settings
        let own = Self.catalogueName(gpu.name)
        if Measurement.isEmulated(device: own), let name = settings.name, name != own {
            throw CalibrationError("--name \(name): times of the emulated GPU say nothing about another; leave --name out")
        }
        device = settings.name ?? own
    }

    /// "NVIDIA H100 80GB HBM3" is h100-sxm-80gb; what the catalogue does not have keeps its own words.
    static func catalogueName(_ name: String) -> String {
        let known: [(words: [String], name: String)] = [
            (["H100", "HBM3"], "h100-sxm-80gb"), (["H100", "PCIe"], "h100-pcie-80gb"), (["H200"], "h200-sxm-141gb"),
            (["H800"], "h800-sxm-80gb"),
            (["A100", "SXM", "80GB"], "a100-sxm-80gb"), (["A100", "SXM", "40GB"], "a100-sxm-40gb"),
            (["A100", "PCIE", "40GB"], "a100-pcie-40gb"),
        ]
        for (words, catalogued) in known where words.allSatisfy({ name.contains($0) }) {
            if (try? Catalogue.accelerator(named: catalogued)) != nil { return catalogued }
        }
        return Machine.slug(name)
    }

    /// Rows are appended as they are made.
    /// - Throws: `MeasurementFault` for the file, `CUDAError.failed` where the GPU stops answering.
    public func run(_ report: (CPUCalibration.Progress) -> Void) throws -> Outcome {
        let begin = Clocks.wall()
        var outcome = Outcome()
        (outcome.device, outcome.library) = (device, gpu.libraries)
        var known = MeasurementFile()
        if Machine.exists(settings.output) {
            guard settings.resumes else {
                throw MeasurementFault(
                    file: settings.output,
                    [.init(reason: "the file exists", suggestion: "add --resume to go on with it, or choose another path")])
            }
            known = try MeasurementFile.read(path: settings.output)
        }
        outcome.found = known.measurements.count
        try MeasurementFile.append([], to: settings.output)
        try plugin.checkMemory(device: settings.device)
        let items = CUDAShapes.plan().filter { item in
            // The tails' repeats are rows of their own: present when a row of so many repeats is.
            let key = Measurement.Key(item.call, device: device)
            guard item.rule.least >= 1000 else { return !known.contains(key, library: gpu.libraries) }
            return !known.measurements.contains { $0.key == key && $0.repeats >= 1000 }
        }
        var rows: [Measurement] = []
        var flushed = begin
        var reasons: Set<String> = []
        for (index, item) in items.enumerated() {
            let elapsed = Clocks.wall() - begin
            guard elapsed < settings.budget else {
                outcome.left = items.count - index
                break
            }
            report(.init(done: index, planned: items.count, elapsed: elapsed, budget: settings.budget, item: "\(item.call)"))
            do throws(CUDAError) { rows.append(row(item.call, try plugin.time(item.call, item.rule, device: settings.device))) } catch {
                switch error {
                case .unsupported, .memory:
                    outcome.unsupported += 1
                    let reason = "\(item.call.kind) \(item.call.format): \(error)"
                    if reasons.insert("\(item.call.kind)\(item.call.format)\(item.call.mode)").inserted { outcome.remarks.append(reason) }
                case .failed, .noDevice, .noPlugin:
                    // After a fault of the GPU nothing else can be trusted; what was measured stays.
                    try MeasurementFile.append(rows, to: settings.output)
                    throw error
                }
            }
            if Clocks.wall() - flushed > 2 {
                try MeasurementFile.append(rows, to: settings.output)
                outcome.written += rows.count
                (rows, flushed) = ([], Clocks.wall())
            }
        }
        try MeasurementFile.append(rows, to: settings.output)
        outcome.written += rows.count
        return outcome
    }

    private func row(_ call: CUDACall, _ timing: CUDATiming) -> Measurement {
        let key = Measurement.Key(call, device: device)
        var row = Measurement(
            key, seconds: CPUCalibration.rounded(timing.median), repeats: timing.repeats, source: "orrery calibrate cuda",
            date: Clocks.today())
        row.spread = CPUCalibration.rounded(timing.spread)
        row.p99 = CPUCalibration.rounded(timing.p99)
        row.conditions = Measurement.Conditions(clockHz: timing.clockHz, temperatureC: timing.temperatureC, library: gpu.libraries)
        return row
    }
}

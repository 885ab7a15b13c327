import Calibration
import Cluster
import Foundation
import Kernels
import Testing
import Workload

@testable import Execution

struct CPUCalibrationTests {
    private func path() -> String { FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).csv").path() }

    @Test func aShortBudgetLeavesTheRestAndResumes() throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        var settings = CPUCalibration.Settings(output: path)
        settings.budget = 1
        // Some ten milliseconds each, so that a second is too short for all.
        settings.calls = try (0..<200).map { try KernelCall(.gemmNT, [512, 512, 256 + $0]) }
        let first = try CPUCalibration(settings).run { _ in }
        #expect(first.written > 0 && first.left > 0 && first.found == 0)
        let rows = try MeasurementFile.read(path: path).measurements
        #expect(rows.count == first.written && rows.allSatisfy { $0.seconds > 0 && !$0.conditions.library.isEmpty && !$0.date.isEmpty })
        // Without --resume an existing file is not touched.
        #expect(throws: MeasurementFault.self) { try CPUCalibration(settings).run { _ in } }
        // A killed writer's half row is dropped, and what stands is not timed again.
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("gemm,,forward,amd".utf8))
        try handle.close()
        settings.resumes = true
        let second = try CPUCalibration(settings).run { _ in }
        #expect(second.found == first.written && second.written > 0)
        let keys = try MeasurementFile.read(path: path).measurements.map(\.key)
        #expect(Set(keys).count == keys.count)
    }

    @Test func badSettingsAndPathsAreErrorsAtOnce() {
        func message(_ change: (inout CPUCalibration.Settings) -> Void) -> String {
            var settings = CPUCalibration.Settings(output: "/tmp/never.csv")
            change(&settings)
            do {
                _ = try CPUCalibration(settings)
                return ""
            } catch { return error.message }
        }
        #expect(message { $0.budget = 0 }.contains("1 s to 1 day"))
        #expect(message { $0.threads = 0 }.contains("1 to 1024"))
        #expect(message { $0.quantile = 0.7 }.contains("at most 0.5"))
        let calibration = try? CPUCalibration(CPUCalibration.Settings(output: "/nowhere/at/all.csv"))
        #expect(throws: MeasurementFault.self) { try calibration?.run { _ in } }
    }

    @Test func messagesGoToAndFroOverBothLinks() throws {
        let listener = try LinkListener()
        let memory = "/dev/shm/orrery-test-\(UUID().uuidString)"
        let shared = try SharedPages(creating: memory)
        defer { unlink(memory) }
        let port = listener.port
        let peer = Thread { try? LinkPeer.serve(port: port, memory: memory) }
        peer.start()
        let socket = try listener.accept()
        var links = LinkMeasurement(peer: [], device: "d")
        links.rule.most = 20
        let wanted: [(LinkOrder.Kind, Int)] = [(.socket, 8), (.socket, 1 << 20), (.memory, 8), (.memory, 1 << 20)]
        let found = try links.measure(wanted, socket: socket, shared: shared, until: Clocks.wall() + 20)
        #expect(found.count == 4 && found.allSatisfy { $0.1.seconds > 0 })
        // What comes back is what was sent.
        let sent = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        for kind in [LinkOrder.Kind.socket, .memory] {
            var returned = [UInt8](repeating: 0, count: 1000)
            try socket.send(LinkOrder(kind: kind, bytes: 1000, repeats: 1))
            if kind == .socket {
                try socket.write(sent, 1000)
                try socket.read(&returned, 1000)
            } else {
                try shared.put(sent, to: 0, 1000)
                try shared.take(from: 1, into: &returned, 1000)
            }
            #expect(returned == sent)
        }
    }

    @Test func aPeerThatHangsUpIsAnErrorAndNoHang() throws {
        let listener = try LinkListener()
        let port = listener.port
        Thread { _ = try? LinkSocket(connectingTo: "127.0.0.1", port: port) }.start()
        let socket = try listener.accept()
        let links = LinkMeasurement(peer: [], device: "d")
        #expect(throws: CalibrationError.self) {
            try links.measure([(.socket, 1 << 20)], socket: socket, shared: nil, until: Clocks.wall() + 5)
        }
        #expect(throws: CalibrationError.self) { try LinkPeer.serve(host: "nowhere", port: 1, memory: "") }
    }

    /// Rows of a machine whose kernels follow a formula exactly.
    private func rows() throws -> [Calibration.Measurement] {
        var rows: [Calibration.Measurement] = []
        func add(_ call: KernelCall, _ residency: Residency, _ seconds: Double) {
            var row = Calibration.Measurement(
                Calibration.Measurement.Key(call, residency, device: "toy-cpu"), seconds: seconds, repeats: 9, source: "test")
            row.conditions.library = "toy"
            row.spread = 0.001
            rows.append(row)
        }
        for power in 8...24 {
            let call = try KernelCall(.gelu, [1 << power])
            add(call, .warm, 1e-6 + call.bytes / 20e9)
            add(call, .rotated, 1e-6 + call.bytes / 5e9)
        }
        for call in KernelGrid.training(mostFLOPs: 1e9) where call.kernel == .gemmNT {
            add(call, .warm, 2e-6 + call.flops / 100e9)
            add(call, .rotated, 2e-6 + call.flops / 100e9 + call.bytes / 50e9)
        }
        for size in [64, 256] {
            let call = try KernelCall(.gemmNT, [size, size, size])
            add(call, .warm, 2e-6 + call.flops / 100e9)
            add(call, .contended, 1.5 * (2e-6 + call.flops / 100e9))
        }
        return rows
    }

    @Test func timesComeBackAndFootprintsDecideBetweenWarmAndCold() throws {
        // Nothing is read below this root: caches of 1 and 32 MiB.
        let machine = Machine(processor: "", root: "/nowhere")
        let times = try KernelTimes(try rows(), device: nil, machine: machine)
        #expect(times.device == "toy-cpu" && times.library == "toy")
        let call = try KernelCall(.gelu, [3 << 12])
        // 98,304 bytes at 20 and at 5 GB/s after a microsecond: 5.915 and 20.661 us.
        let (warm, cold) = (times.estimate(call, footprint: 0), times.estimate(call))
        #expect(abs(warm.seconds / 5.9152e-6 - 1) < 0.01 && warm.evidence == .interpolated)
        #expect(abs(cold.seconds / 20.6608e-6 - 1) < 0.01)
        let between = times.estimate(call, footprint: 6e6).seconds
        #expect(between > warm.seconds && between < cold.seconds)
        // A measured product is itself.
        let product = try KernelCall(.gemmNT, [200, 192, 192])
        let seconds = 2e-6 + 2 * 200.0 * 192 * 192 / 100e9
        let estimate = times.estimate(product, footprint: 0)
        #expect(abs(estimate.seconds / seconds - 1) < 1e-6 && estimate.evidence == .measured)
        #expect(abs(times.contention(product) - 1.5) < 1e-9)
        // Nothing was measured of softmax: a guess that says so; an empty call takes no time.
        #expect(times.estimate(try KernelCall(.softmax, [64, 64])).error >= 0.5)
        #expect(times.estimate(try KernelCall(.gelu, [0])).seconds == 0)
        #expect(times.codec("none", encodes: true, bytes: 100) == nil)
        #expect(throws: CalibrationError.self) { try KernelTimes([]) }
        let unknown = #expect(throws: CalibrationError.self) { try KernelTimes(try rows(), device: "other") }
        #expect(unknown?.message.contains("toy-cpu") == true)
    }

    @Test func heldOutErrorsOfExactDataAreSmallAndOfNoiseAreTheNoise() throws {
        let exact = HeldOut(try rows())
        let all = try #require(exact.all)
        #expect(all.count > 20 && all.median < 0.005 && all.p90 < 0.03)
        // A third of the rows 20 % longer: of what is left out a third cannot be predicted better than by about that, and a robust fit takes the rest as it is.
        let shaken = HeldOut(
            try rows().enumerated().map { index, row in
                var row = row
                if (index * 7) % 3 == 0 { row.seconds *= 1.2 }
                return row
            })
        let noisy = try #require(shaken.all)
        #expect(noisy.p90 > 0.1 && noisy.p90 < 0.3, "\(noisy)")
    }
}

import Cluster
import Foundation
import Testing
import Workload

@testable import Calibration

@Suite("Files of measurements")
struct MeasurementFileTests {
    private static let row = "gemm,,forward,cpu,fp32,TN,m=64 n=32 k=16,0.001,0.01,0.0012,50,3e9,45.5,OpenBLAS 0.3.21,own,2026-11-21"

    private func parse(_ rows: String...) throws(MeasurementFault) -> MeasurementFile {
        try MeasurementFile.parse(([MeasurementFile.header] + rows).map { $0 + "\n" }.joined(), file: "t.csv")
    }

    @Test func everyFieldSurvivesWritingAndReading() throws {
        let file = try parse(
            Self.row,
            "attention,\"flash, 3\",backward,h100-sxm-80gb,bf16,,batch=1 heads=32 queries=4096 head_dim=128 visible=0.5,0.002,,,,,,,,",
            "rmsnorm,,,a,bf16,,bytes=1e8 row=4096,1e-4,,,,,,,,", "all_reduce,ring,,a,fp16,,bytes=1048576 ranks=16 per_node=8,5e-5,0,,,,,,,",
            "launch,,,a,fp32,,kernels=100,4e-4,,,,,,,,", "grouped_gemm,,weight,a,fp8,NT,m=1 n=2 k=3 count=8,1e-5,,,,,,,,")
        #expect(file.measurements.count == 6)
        #expect(file.measurements[0].key.shape == .product(m: 64, n: 32, k: 16, count: 1))
        #expect(file.measurements[0].conditions == .init(clockHz: 3e9, temperatureC: 45.5, library: "OpenBLAS 0.3.21"))
        #expect(file.measurements[1].key.variant == "flash, 3")
        guard case .attention(let attention) = file.measurements[1].key.shape else { throw ShapeError(reason: "", suggestion: "") }
        #expect(attention.kvHeads == 32 && attention.keys == 4096 && attention.valueDim == 128)
        let again = try MeasurementFile.parse(file.csv, file: "again")
        #expect(again.measurements == file.measurements)
    }

    @Test(
        "faults say where, what and what would be right",
        arguments: [
            ("gem,,,a,bf16,,m=1 n=1 k=1,1,,,,,,,,", "t.csv:2:1: kernel: \"gem\" is not known; did you mean \"gemm\"?"),
            ("gemm,,,a,bf17,,m=1 n=1 k=1,1,,,,,,,,", "t.csv:2:10: dtype: \"bf17\" is not known; did you mean \"bf16\"?"),
            ("gemm,,,,bf16,,m=1 n=1 k=1,1,,,,,,,,", "t.csv:2:8: device: is empty"),
            ("gemm,,,a,bf16,,m=1 n=1,1,,,,,,,,", "t.csv:2:16: shape: k is missing; write m=... n=... k=... [count=...]"),
            ("gemm,,,a,bf16,,m=1 n=1 k=1 k=2,1,,,,,,,,", "shape: k stands twice"),
            ("gemm,,,a,bf16,,m=1 n=1.5 k=1,1,,,,,,,,", "shape: n is \"1.5\"; write a whole number"),
            ("gemm,,,a,bf16,,m=1 n=1 k=1e99,1,,,,,,,,", "shape: k is \"1e99\"; a number from 1 to 1000000000000 is needed"),
            ("gemm,,,a,bf16,,m=1 n=1 bytes=1,1,,,,,,,,", "\"bytes=1\" is no part of this shape"),
            ("gemm,,,a,bf16,,m=1 n=1 k=1,0,,,,,,,,", "time_s: \"0\" is no number above 0"),
            ("gemm,,,a,bf16,,m=1 n=1 k=1,nan,,,,,,,,", "time_s: \"nan\" is no number above 0"),
            ("gemm,,,a,bf16,,m=1 n=1 k=1,,,,,,,,,", "time_s: is empty; write seconds"),
            ("gemm,,,a,bf16,,m=1 n=1 k=1,1,,,0,,,,,", "n: \"0\" is no number of repeats"),
            ("gemm,,,a,bf16,,m=1 n=1 k=1,1,,,,,,,,yesterday", "date: \"yesterday\" is no day; write YYYY-MM-DD"),
            ("gemm,,up,a,bf16,,m=1 n=1 k=1,1,,,,,,,,", "pass: \"up\" is not known"),
            ("gemm,,,a,bf16,TX,m=1 n=1 k=1,1,,,,,,,,", "layout: \"TX\" is not known"),
            ("all_reduce,,,a,bf16,,bytes=8 ranks=4 per_node=8,1,,,,,,,,", "per_node exceeds ranks"),
            ("gemm,,,a", "t.csv:2:1: the row has 4 fields, the header 16"),
            ("gemm,\"open,,a,bf16,,m=1 n=1 k=1,1,,,,,,,,", "t.csv:2:6: this quote is never closed"),
        ])
    func faults(row: String, expected: String) {
        #expect {
            _ = try parse(row)
        } throws: { error in
            "\(error)".contains(expected)
        }
    }

    @Test func faultsOfTheHeader() {
        func message(_ text: String) -> String {
            do throws(MeasurementFault) {
                _ = try MeasurementFile.parse(text, file: "t.csv")
                return "none"
            } catch { return "\(error)" }
        }
        #expect(message("").contains("t.csv:1:1: the file holds no measurements"))
        #expect(message("kernel,device,dtype,shape\n").contains("time_s: the column is missing"))
        #expect(
            message("kernel,device,dtype,shape,time_s,sourc\n").contains(
                "t.csv:1:34: sourc: unknown column \"sourc\"; did you mean \"source\"?"))
        #expect(message("kernel,device,dtype,shape,time_s,kernel\n").contains("a column stands twice"))
        #expect(message("PK\u{3}\u{4}\n").contains("unknown column"))
    }

    @Test func missingFileAndFolder() {
        #expect { try MeasurementFile.read(path: "/no/such.csv") } throws: { "\($0)".contains("/no/such.csv:1:1: there is no such file") }
        #expect { try MeasurementFile.read(path: "/tmp") } throws: { "\($0)".contains("this is a directory") }
    }

    /// A writer that was stopped in the middle of its second row: the first is read, the second is cut off before the next is added.
    @Test func resumesAfterATornRow() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-measured-\(UUID().uuidString).csv").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let whole = try parse(Self.row)
        try MeasurementFile.append(whole.measurements, to: path)
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("gemm,,forward,cpu,fp32,TN,m=64 n=32 k=17,0.0".utf8))
        try handle.close()
        let torn = try MeasurementFile.read(path: path)
        #expect(torn.isTorn)
        #expect(torn.measurements == whole.measurements)
        var next = whole.measurements[0]
        #expect(torn.contains(next.key, library: "OpenBLAS 0.3.21"))
        #expect(!torn.contains(next.key, library: "OpenBLAS 0.3.22"))
        next.key.shape = .product(m: 64, n: 32, k: 17, count: 1)
        #expect(!torn.contains(next.key, library: "OpenBLAS 0.3.21"))
        try MeasurementFile.append([next], to: path)
        let done = try MeasurementFile.read(path: path)
        #expect(!done.isTorn)
        #expect(done.measurements == whole.measurements + [next])
    }

    /// 1, 2, 3, 4, 10: median 3, standard deviation sqrt(50/4) = 3.5355, over the median 1.1785; 99th percentile of five is the largest.
    @Test func statisticsOfSamples() throws {
        let key = Measurement.Key(.copy, device: "a", dtype: .fp32, shape: .memory(bytes: 8, row: 0))
        let measurement = try #require(Measurement(key, samples: [3, 1, 10, 2, 4], source: ""))
        #expect(measurement.seconds == 3)
        #expect(abs((measurement.spread ?? 0) - 1.17851) < 1e-5)
        #expect(measurement.p99 == 10)
        #expect(measurement.repeats == 5)
        #expect(Measurement(key, samples: [], source: "") == nil)
        #expect(Measurement(key, samples: [0, 1], source: "") == nil)
    }
}

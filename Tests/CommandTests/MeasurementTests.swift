import Foundation
import Testing

@Suite struct MeasurementTests {
    private static let header = "kernel,device,dtype,shape,time_s\n"
    /// Products in bf16 on the A100 at 240 TFLOP/s behind 10 us.
    private static func table(device: String = "a100-sxm-80gb") -> String {
        var text = header
        for m in [1024, 2048, 4096] {
            for n in [1024, 4096, 12288, 32000] {
                for k in [1024, 4096, 12288, 32000] {
                    text += "gemm,\(device),bf16,m=\(m) n=\(n) k=\(k),\(1e-5 + 2 * Double(m) * Double(n) * Double(k) / 240e12)\n"
                }
            }
        }
        return text
    }

    private func evidence(_ outcome: Program.Outcome) throws -> [String: Double] {
        let shares = try #require(try object(outcome.output)["evidence"] as? [String: Any])
        return shares.compactMapValues { $0 as? Double }
    }

    /// Without the table nothing is measured; with it products of 2048 x 4096 x 12288 lie in its hull.
    @Test func measuredKernelsCarryThePrediction() throws {
        let folder = try Folder()
        _ = try folder.write(Self.table(), as: "kernels.csv")
        let plain = try folder.write(Files.sharded, as: "plain.yaml")
        let keyed = try folder.write(
            Files.sharded.replacing("framework: fms-fsdp", with: "framework: fms-fsdp, measurements: kernels.csv"), as: "keyed.yaml")
        let before = try Program.run("run", plain, "--json")
        let after = try Program.run("run", keyed, "--json")
        #expect(before.status == 0 && after.status == 0, "\(after.errors)")
        #expect(try evidence(before)["measured"] == 0)
        let shares = try evidence(after)
        #expect((shares["measured"] ?? 0) + (shares["interpolated"] ?? 0) > 0.3)
        #expect(abs((shares["measured"] ?? 0) + (shares["interpolated"] ?? 0) + (shares["formula"] ?? 0) - 1) < 1e-9)
        let option = try Program.run("run", plain, "--json", "--measurements", folder.path("kernels.csv"))
        #expect(try evidence(option) == shares)
    }

    @Test func badTablesSayWhere() throws {
        let folder = try Folder()
        let plain = try folder.write(Files.sharded, as: "plain.yaml")
        let bad = try folder.write(Self.header + "gem,a100-sxm-80gb,bf16,m=1 n=1 k=1,1\n", as: "bad.csv")
        let outcome = try Program.run("run", plain, "--measurements", bad)
        #expect(outcome.status == 2 && !outcome.crashed)
        #expect(outcome.errors.contains("bad.csv:2:1: kernel: \"gem\" is not known"))
        let other = try folder.write(Self.table(device: "h200-sxm-141gb"), as: "other.csv")
        let wrong = try Program.run("run", plain, "--measurements", other)
        #expect(wrong.status == 2)
        #expect(wrong.errors.contains("nothing was measured on a100-sxm-80gb; the measurements are of h200-sxm-141gb"))
        #expect(try Program.run("run", plain, "--measurements", folder.path("none.csv")).errors.contains("there is no such file"))
    }

    @Test func kernelsAreFitted() throws {
        let folder = try Folder()
        let table = try folder.write(Self.table(), as: "kernels.csv")
        let outcome = try Program.run("calibrate", "fit", "--kernels", table, "--output", folder.path("k.yaml"))
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("| a100-sxm-80gb | gemm bf16 |"))
        #expect(try String(contentsOfFile: folder.path("k.yaml"), encoding: .utf8).contains("rate: [2400"))
        #expect(try Program.run("calibrate", "fit").status == 2)
        let few = try folder.write(Self.header + "gemm,a,bf16,m=1 n=1 k=1,1\n", as: "few.csv")
        let refused = try Program.run("calibrate", "fit", "--kernels", few)
        #expect(refused.status == 2)
        #expect(refused.errors.contains("1 shapes are too few for 4 unknowns"))
    }

    @Test func importsAndTheirRefusals() throws {
        let folder = try Folder()
        let table = try folder.write(Self.table(), as: "kernels.csv")
        let copied = try Program.run("import", "table", table, "-o", folder.path("copy.csv"))
        #expect(copied.status == 0 && copied.errors.contains("48 measurements"), "\(copied.errors)")
        let again = try Program.run("import", "table", table, "-o", folder.path("copy.csv"), "--append", "--quiet")
        #expect(again.status == 0)
        #expect(try String(contentsOfFile: folder.path("copy.csv"), encoding: .utf8).split(separator: "\n").count == 97)
        for kind in ["nccl-tests", "kineto", "nsys"] {
            let outcome = try Program.run("import", kind, table)
            #expect(outcome.status == 2 && !outcome.crashed && outcome.errors.contains("kernels.csv:1:1"), "\(kind): \(outcome.errors)")
        }
        let later = try Program.run("import", "chakra", "x")
        #expect(later.status == 2 && later.errors.contains("orrery import chakra: not available"))
        #expect(try Program.run("import", "kineto", table, "--dtype", "bf17").status == 2)
        #expect(try Program.run("import", "nccl-tests", table, "--operation", "gemm").status == 2)
    }
}
